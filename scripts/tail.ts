import { open } from "node:fs/promises";

const LAST_BYTES = 2_000;

/** The end of a log: a screenful at most, and nothing from before `start`. */
export async function tail(file: string, start = 0): Promise<string> {
  const log = await open(file, "r");
  try {
    const { size } = await log.stat();
    const from = Math.max(start, size - LAST_BYTES);
    const length = Math.max(0, size - from);
    const { buffer, bytesRead } = await log.read(Buffer.alloc(length), 0, length, from);
    return buffer.toString("utf8", 0, bytesRead).trimEnd();
  } finally {
    await log.close();
  }
}
