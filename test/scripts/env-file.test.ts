import { stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { formatEnv, parseEnv, readEnvFile, writeEnvFile } from "../../scripts/env-file.ts";
import { must } from "../../scripts/run.ts";
import { freshDir } from "../setup/stack.ts";

const VALUES = {
  API_URL: "http://127.0.0.1:8080",
  API_PID: 4711,
  DATABASE_URL: 'postgres://me:it\'s $(rm -rf) `x` & "y"; #\\@127.0.0.1/db?a=b&c=d',
};

let place: Awaited<ReturnType<typeof freshDir>>;
beforeAll(async () => {
  place = await freshDir();
});
afterAll(() => place?.close());

test("plain values stand as they are, one a line", () => {
  expect(formatEnv({ API_URL: VALUES.API_URL, API_PID: 4711 })).toBe(
    "API_URL=http://127.0.0.1:8080\nAPI_PID=4711\n",
  );
});

test("a shell that sources the file has exactly the values, whatever is in them", async () => {
  const file = join(place.dir, "env");
  writeEnvFile(file, VALUES);
  const printed = await must("/bin/sh", [
    "-c",
    '. "$1"; printf "%s\\n" "$API_URL" "$API_PID" "$DATABASE_URL"',
    "sh",
    file,
  ]);
  expect(printed.split("\n")).toEqual(Object.values(VALUES).map(String));
});

test("reading gives back what was written, and nothing when there is no file", () => {
  const file = join(place.dir, "env");
  writeEnvFile(file, VALUES);
  expect(readEnvFile(file)).toEqual({ ...VALUES, API_PID: "4711" });
  expect(parseEnv("")).toEqual({});
  expect(readEnvFile(join(place.dir, "none"))).toEqual({});
});

test("only its owner may read the file, since a URL may hold a password", async () => {
  const file = join(place.dir, "env");
  writeEnvFile(file, VALUES);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});
