import { expect, test } from "@jest/globals";
import { createSeedProgress } from "../../scripts/seed/progress.ts";

function watch({ isTTY }: { isTTY: boolean }) {
  let ms = 0;
  const written: string[] = [];
  const out = { isTTY, columns: 80, write: (text: string) => written.push(text) > 0 };
  const progress = createSeedProgress(out, 100_000, () => ms);
  return {
    ...progress,
    at(seconds: number, lines: number, byte: number) {
      ms = seconds * 1_000;
      progress.show({ lines, byte });
      return written.splice(0);
    },
  };
}

test("a terminal gets a bar with lines, speed and the seconds that are left, always in one line", () => {
  const { at, begin } = watch({ isTTY: true });
  begin({ lines: 0, byte: 0 });
  expect(at(2, 5_000, 25_000)).toEqual([
    "\r\x1b[K[######..................]  25 %  5,000 lines, 2,500 lines/s, 6 s left",
  ]);
  expect(at(2.05, 5_100, 25_500)).toEqual([]);
  expect(at(8, 20_000, 100_000)).toEqual([
    "\r\x1b[K[########################] 100 %  20,000 lines, 2,500 lines/s, 0 s left",
  ]);
});

test("anything else gets a line every five seconds", () => {
  const { at, begin } = watch({ isTTY: false });
  begin({ lines: 0, byte: 0 });
  expect(at(4.9, 9_000, 49_000)).toEqual([]);
  expect(at(5, 10_000, 50_000)).toEqual([" 50 %  10,000 lines, 2,000 lines/s, 5 s left\n"]);
  expect(at(9.9, 11_000, 55_000)).toEqual([]);
  expect(at(10, 12_000, 60_000)).toEqual([" 60 %  12,000 lines, 1,200 lines/s, 7 s left\n"]);
});

test("what an earlier run has done counts as neither fast nor slow", () => {
  const { at, begin } = watch({ isTTY: false });
  begin({ lines: 0, byte: 0 });
  begin({ lines: 10_000, byte: 50_000 });
  expect(at(5, 15_000, 75_000)).toEqual([" 75 %  15,000 lines, 1,000 lines/s, 5 s left\n"]);
});
