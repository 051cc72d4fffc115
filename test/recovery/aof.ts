import { readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Redis } from "ioredis";

/** The file to which a Redis appends: asked for while Redis runs, and changed when it does not. */
export async function appendFile(redis: Redis) {
  const [, dir = ""] = (await redis.config("GET", "dir")) as string[]; // a name and its value
  const files = join(dir, "appendonlydir");
  const names = (await readdir(files)).filter((file) => file.endsWith(".incr.aof"));
  const [name = ""] = names.toSorted((a, b) => numberIn(b) - numberIn(a));
  const path = join(files, name);
  const size = async () => (await stat(path)).size;
  return {
    dir: files,
    name,
    size,
    read: () => readFile(path),
    write: (bytes: Buffer) => writeFile(path, bytes),
    cutTo: (bytes: number) => truncate(path, bytes),
    cutBy: async (bytes: number) => truncate(path, (await size()) - bytes),
  };
}

/** `appendonly.aof.10.incr.aof` comes behind the ninth. */
const numberIn = (file: string) => Number(/\.(\d+)\.incr\.aof$/.exec(file)?.[1]);
