import type { Figures, Row } from "./figures.ts";
import { micros, ms, ratio, whole } from "./numbers.ts";

/** What a figure should be at least, or at most. Missing it is told and is no failure. */
export type Target = {
  name: string;
  limit: string;
  measured: string;
  outcome: "MET" | "MISSED" | "DOES_NOT_APPLY";
};

/** Those whose scenarios were run. */
export function checkTargets(rows: Row[]): Target[] {
  const of = (scenario: string, clients?: number, label = "") =>
    rows.find(
      (row) =>
        row.scenario === scenario &&
        row.label === label &&
        (clients === undefined || row.clients === clients),
    )?.median;
  // Each as a part of noop beside it, since the machine may have been slower at one of them.
  const against = (one?: Figures, other?: Figures) =>
    one?.noop_ratio !== undefined && other?.noop_ratio !== undefined
      ? one.noop_ratio / other.noop_ratio
      : undefined;

  const [hot64, hot256] = [of("reserve-hot", 64), of("reserve-hot", 256)];
  const swept = of("sweep");
  return [
    atLeast("reserve-hot, 256 clients, × noop", 0.65, hot256?.noop_ratio, ratio),
    rateWhereFast(hot256),
    below("reserve-hot, 64 clients, p99 ms", 15, hot64?.p99_ms, ms),
    atLeast("refuse, × noop", 0.8, of("refuse")?.noop_ratio, ratio),
    ...["1,000 SKUs", "100,000 SKUs"].map((label) =>
      atLeast(
        `reserve-wide, ${label}, × reserve-hot`,
        0.9,
        against(of("reserve-wide", 64, label), hot64),
        ratio,
      ),
    ),
    ...[64, 256].flatMap((clients) => {
      const [hot, name] = [of("reserve-hot", clients), `${clients} clients`];
      return [
        atLeast(`grown, ${name}, × reserve-hot`, 0.9, against(of("grown", clients), hot), ratio),
        atLeast(
          `reserve-hot, ${name}, × postgres`,
          10,
          against(hot, of("postgres", clients)),
          ratio,
        ),
        atLeast(
          `reserve-hot, ${name}, × one-by-one`,
          1.5,
          against(hot, of("one-by-one", clients)),
          ratio,
        ),
      ];
    }),
    atLeast("record, a backlog, events/s", 20_000, of("record", undefined, "backlog")?.rate, whole),
    below("record, lag p99 ms", 50, of("record", undefined, "lag")?.p99_ms, ms),
    below("sweep, seconds until all are back", 5, swept?.back_seconds, (seconds) =>
      [ms(seconds), `${ms(swept?.back_seconds_from_first ?? 0)} from the first deadline on`].join(
        ", ",
      ),
    ),
    below("sweep, p99 meanwhile, × p99 in the calm", 2, swept?.p99_ratio, ratio),
    ...overloadTargets(of("overload", undefined, "10 ×")),
    ...rows.flatMap(rulesTarget),
    below("Redis µs per hold, in batches of 64", 12, of("redis-hold")?.redis_us, micros),
    below("bytes of Redis per live hold", 700, hot64?.bytes_per_hold, whole),
  ].flat();
}

// The runs are short and the machine is not ours alone: the spread tells what the figure is worth.
function rulesTarget({ scenario, label, clients, median, runs }: Row): Target[] {
  if (scenario !== "rules") return [];
  const ratios = runs.flatMap(({ free_ratio }) => free_ratio ?? []);
  const spread = `${ratio(Math.min(...ratios))} to ${ratio(Math.max(...ratios))}`;
  return atLeast(
    `rules, ${label}, ${clients} clients, × none`,
    0.85,
    median.free_ratio,
    (value) => `${ratio(value)} (${spread})`,
  );
}

function overloadTargets(rushed?: Figures): Target[] {
  const name = (what: string) => `overload, 10 ×, ${what}`;
  return [
    below(name("p99 ms of what is accepted"), 2_000, rushed?.p99_ms, ms),
    atLeast(name("accepted, × sustained"), 0.5, rushed?.sustained_ratio, ratio),
    below(name("MB of the API"), 400, rushed?.rss_mb, whole),
  ].flat();
}

function atLeast(name: string, limit: number, value: number | undefined, format: Format): Target[] {
  return compared(
    name,
    `at least ${limit.toLocaleString("en-US")}`,
    value,
    format,
    (v) => v >= limit,
  );
}

function below(name: string, limit: number, value: number | undefined, format: Format): Target[] {
  return compared(name, `at most ${limit}`, value, format, (v) => v <= limit);
}

type Format = (value: number) => string;

function compared(
  name: string,
  limit: string,
  value: number | undefined,
  format: Format,
  isMet: (value: number) => boolean,
): Target[] {
  if (value === undefined) return [];
  const outcome = isMet(value) ? "MET" : "MISSED";
  return [{ name, limit, measured: format(value), outcome }];
}

// Says nothing about a machine on which noop is slower than this.
function rateWhereFast(hot?: Figures): Target[] {
  if (hot?.rate === undefined || hot.noop_rate === undefined) return [];
  const [limit, noop_limit] = [20_000, 33_000];
  const met = hot.rate >= limit ? "MET" : "MISSED";
  return [
    {
      name: "reserve-hot, 256 clients, per second",
      limit: `${whole(limit)} where noop does ${whole(noop_limit)}`,
      measured: `${whole(hot.rate)} where noop does ${whole(hot.noop_rate)}`,
      outcome: hot.noop_rate < noop_limit && met === "MISSED" ? "DOES_NOT_APPLY" : met,
    },
  ];
}
