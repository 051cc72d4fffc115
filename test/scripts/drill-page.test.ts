import { expect, test } from "@jest/globals";
import { drawAccount } from "../../scripts/drill/account.ts";
import { INTACT_KINDS } from "../../scripts/drill/kinds.ts";
import { readOptions } from "../../scripts/drill/options.ts";
import { formatPage } from "../../scripts/drill/page.ts";
import { at, entry, fault, openScene, reserveOf } from "./drill-scene.ts";

const LINES_MAX = 70;
const CHARS_MAX = 110;

function openPage() {
  const scene = openScene();
  scene.faults = INTACT_KINDS.map((kind) => fault(kind, 1, { back: 3.25, accepted: 2.5 }));
  const unavailable = { status: 503, code: "STORE_UNAVAILABLE", replayed: false };
  scene.journal.push(entry("eve-reserve", reserveOf("eve"), 4, unavailable));
  const cut = { sent_at: at(5), ended_at: at(5.01), outcome: { end: "CUT" as const } };
  scene.journal.push({ ...entry("fay-reserve", reserveOf("fay"), 5, unavailable), ...cut });
  const { evidence, findings } = drawAccount(scene);
  const options = readOptions(["--seed", "7", "--shoppers", "8"]);
  return { findings, page: (of = findings) => formatPage(evidence, of, options) };
}

test("the page of a drill tells what was done, what was answered, and what was kept", () => {
  const page = openPage().page();
  expect(page).toMatch(/^Holdfast's drill, seed 7, 2027-01-15T08:00:00.000Z, /);
  expect(page).toContain("3 units of 1 products were on sale for 22 s. 4 of 8 shoppers came");
  expect(page).toMatch(/^Redis killed \(kill -9\) +1 +2\.25 +2\.25 +1\.50 +1\.50$/m);
  expect(page).toMatch(/^accepted +6 +0\.3 +3 held, 1 paid, 1 cancelled, 1 asked and told again$/m);
  expect(page).toMatch(/^refused +3 +0\.1 +1 idempotency key reused, 1 sold out, 1 hold expired$/m);
  expect(page).toMatch(/^unavailable \(503, 504\) +1 +0\.0 +1 store unavailable$/m);
  expect(page).toMatch(/^cut off by the shopper +1 /m);
  expect(page).toMatch(/^never learned the outcome +2 /m);
  expect(page).toMatch(
    /^G2 +acknowledged, and afterwards not there or not so +0 of 5 acknowledged +kept$/m,
  );
  expect(page).toMatch(/\n\nEvery promise was kept\.\n$/);
});

test("the page fits a screen, however much is broken", () => {
  const { page, findings } = openPage();
  const broken = findings.map((finding) => ({
    ...finding,
    verdict: "BROKEN" as const,
    wrong: Array.from({ length: 100 }, () => "x".repeat(1_000)),
  }));
  for (const text of [page(), page(broken)]) {
    const lines = text.trimEnd().split("\n");
    expect(lines.length).toBeLessThan(LINES_MAX);
    const wide = lines.filter((line) => line.length > CHARS_MAX);
    expect(wide).toEqual([]);
  }
  expect(page(broken)).toContain(`BROKEN: ${broken.length} of these lines. Seed 7 plans the same`);
});
