import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";

const PIECE_BYTES = 64 * 1024;
const UTF16_MARKS = ["fffe", "feff"];

export type CsvFile = Awaited<ReturnType<typeof openCsvFile>>;

/**
 * Opens a file and reads it once, for its SHA-256: what is already done is known by its content, whatever its
 * name. Later reads go through the same handle, so that another file in its place makes no difference.
 */
export async function openCsvFile(path: string) {
  const name = basename(path);
  const handle = await open(path, "r");
  try {
    const before = await handle.stat();
    if (!before.isFile()) throw new Error(`${name} is no file that can be read twice`);
    const sha256 = await hashOf(handle, name);

    /** Throws when somebody has written to it since: the lines to come may be others. */
    async function refuseChanged(): Promise<void> {
      const now = await handle.stat();
      if (now.size === before.size && now.mtimeMs === before.mtimeMs) return;
      throw new Error(`${name} was changed while it was read`);
    }

    await refuseChanged();
    const close = () => handle.close();
    return { name, handle, size: before.size, sha256, refuseChanged, close };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The bytes from `start` on, piece by piece. A stream would close the handle at its end. */
export async function* readPieces(handle: FileHandle, start: number): AsyncGenerator<Buffer> {
  for (let at = start; ; ) {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(PIECE_BYTES), 0, PIECE_BYTES, at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

/** Where the line after the one at `byte` begins; where the file ends when there is none. */
export async function nextLine(handle: FileHandle, byte: number): Promise<number> {
  let at = byte;
  for await (const piece of readPieces(handle, byte)) {
    const index = piece.indexOf("\n");
    if (index >= 0) return at + index + 1;
    at += piece.length;
  }
  return at;
}

async function hashOf(handle: FileHandle, name: string): Promise<string> {
  const hash = createHash("sha256");
  let is_first = true;
  for await (const piece of readPieces(handle, 0)) {
    if (is_first && UTF16_MARKS.includes(piece.toString("hex", 0, 2))) {
      throw new Error(`${name} is UTF-16: save it as UTF-8`);
    }
    is_first = false;
    hash.update(piece);
  }
  return hash.digest("hex");
}
