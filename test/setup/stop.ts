import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { sweep } from "./sweep.ts";

/** After all tests: stops the shared Postgres and every server that a failed test left behind. */
export default async function stop(): Promise<void> {
  const dir = process.env.TEST_DIR;
  if (dir === undefined) return;
  const places = await readdir(dir, { withFileTypes: true });
  const left = places.filter((place) => place.isDirectory() && place.name !== "postgres");
  await Promise.all(left.map((place) => sweep(join(dir, place.name))));
  await sweep(dir);
}
