import { expect, test } from "@jest/globals";
import { type Counted, refuseWrongAnswers } from "../../scripts/bench/answers.ts";

const RESERVE = "/holds/reserve";
const CONFIRM = "/holds/confirm";
const TIMES = { seconds: 1, p50_ms: 1, p99_ms: 1, p999_ms: 1 };

// A load of 10 reserves by 2 clients, each of which may have had one more under way at the end.
const check = (what: {
  expected?: Record<string, number>;
  result?: { refused?: number; failed?: number };
  answers: [route: string, status: number, count: number][];
  decided: number | null;
}) =>
  refuseWrongAnswers(
    { ...TIMES, requests: 10, refused: 0, failed: 0, ...what.result },
    {
      expected: what.expected ?? { [RESERVE]: 201 },
      clients: 2,
      before: counted([[RESERVE, 201, 100]], 100),
      after: counted(what.answers, what.decided === null ? null : 100 + what.decided),
    },
  );

test.each([10, 11, 12])("%d accepted reserves are as many as were asked for", (count) => {
  check({ answers: [[RESERVE, 201, 100 + count]], decided: count });
});

test.each([9, 13])("%d answers are not", (count) => {
  const wrong = () => check({ answers: [[RESERVE, 201, 100 + count]], decided: 10 });
  expect(wrong).toThrow(`${count} requests were answered as they should be, not 10 to 12`);
});

test.each([9, 13])("nor are %d that took effect", (count) => {
  const wrong = () => check({ answers: [[RESERVE, 201, 110]], decided: count });
  expect(wrong).toThrow(`${count} requests took effect, not 10 to 12`);
});

test("another status is named", () => {
  const answers: [string, number, number][] = [
    [RESERVE, 201, 109],
    [RESERVE, 503, 1],
  ];
  expect(() => check({ answers, decided: 9 })).toThrow(
    "1 answers of /holds/reserve were 503, not 201",
  );
});

test("a request without an answer is one too many", () => {
  const wrong = () => check({ result: { failed: 1 }, answers: [[RESERVE, 201, 110]], decided: 10 });
  expect(wrong).toThrow("1 of 10 requests got no answer");
});

test("refusals must be refusals, and have no effect", () => {
  const refused = {
    expected: { [RESERVE]: 409 },
    result: { refused: 10 },
    answers: [
      [RESERVE, 201, 100],
      [RESERVE, 409, 11],
    ] as [string, number, number][],
  };
  check({ ...refused, decided: 0 });
  expect(() => check({ ...refused, decided: 3 })).toThrow("3 requests took effect, not 0 to 2");
  expect(() => check({ ...refused, decided: 0, result: { refused: 9 } })).toThrow(
    "9 requests were refused, not 10",
  );
});

test("a checkout is two routes, each with its status", () => {
  const expected = { [RESERVE]: 201, [CONFIRM]: 200 };
  check({
    expected,
    answers: [
      [RESERVE, 201, 105],
      [CONFIRM, 200, 5],
    ],
    decided: 10,
  });
  expect(() =>
    check({
      expected,
      answers: [
        [RESERVE, 201, 105],
        [CONFIRM, 410, 5],
      ],
      decided: 10,
    }),
  ).toThrow("5 answers of /holds/confirm were 410, not 200");
});

test("where nothing takes effect, only the answers count", () => {
  check({ answers: [[RESERVE, 201, 110]], decided: null });
});

function counted(answers: [string, number, number][], decided: number | null): Counted {
  const routes = Map.groupBy(answers, ([route]) => route);
  return {
    answers: new Map(
      [...routes].map(([route, found]) => [
        route,
        new Map(found.map(([, status, count]) => [status, count])),
      ]),
    ),
    decided,
  };
}
