import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { openScripts, type ScriptSide } from "../lua/script-side.ts";
import { startOnCuts, writeFileOf } from "./cut-files.ts";

const STEP_BYTES = 71;
const TEST_MS_MAX = 60_000;

let side: ScriptSide;
beforeAll(async () => {
  side = await openScripts(["--enable-debug-command", "yes"]);
});
afterAll(() => side.close());

// Each byte of the last scripts' entries: slow/torn-file.test.ts.
test(
  "wherever its file was torn, Redis has what it had after a script, whichever it was, and no part of one",
  async () => {
    const written = await writeFileOf(side);
    const { bytes, steps } = written;
    const edges = steps.flatMap(({ size }) => [size - 1, size, size + 1]);
    const first = steps[0]?.size ?? 0;
    const between = Array.from(
      { length: Math.floor((bytes.length - first) / STEP_BYTES) },
      (_, i) => first + i * STEP_BYTES,
    );
    const sizes = [...edges, ...between].filter((size) => size >= first && size <= bytes.length);
    expect(sizes.length).toBeGreaterThan(100);
    expect(await startOnCuts(written, sizes)).toEqual([]);
  },
  TEST_MS_MAX,
);
