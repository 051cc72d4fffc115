import type { LoadResult } from "./load.ts";

/** What a run measures. Undefined is what it does not measure, or nobody here can tell. */
export type Figures = {
  /** Per second. */
  rate?: number | undefined;
  p50_ms?: number | undefined;
  p99_ms?: number | undefined;
  p999_ms?: number | undefined;
  /** Of the route that does nothing, just before, and what part of it the rate is. */
  noop_rate?: number | undefined;
  noop_ratio?: number | undefined;
  /** The rate as a part of the one without the rules of a sale, just before or after. */
  free_ratio?: number | undefined;
  /** CPU per request. */
  api_us?: number | undefined;
  redis_us?: number | undefined;
  worker_us?: number | undefined;
  postgres_us?: number | undefined;
  /** Of Redis's memory. */
  bytes_per_hold?: number | undefined;
  /** From the end of the second in which holds fall due, and from its beginning, until all are back. */
  back_seconds?: number | undefined;
  back_seconds_from_first?: number | undefined;
  /** p99 while holds are swept, or too much is asked for, as a multiple of the p99 in the calm. */
  p99_ratio?: number | undefined;
  /** Accepted while too much is asked for, as a part of what can be sustained. */
  sustained_ratio?: number | undefined;
  /** Likewise what was asked for and answered, accepted or refused. */
  asked_ratio?: number | undefined;
  /** Of the API at the end of a run: its memory, and how late its event loop was. */
  rss_mb?: number | undefined;
  loop_p99_ms?: number | undefined;
};

/** A line of the table. */
export type Row = {
  scenario: string;
  /** What tells it from the scenario's other rows. */
  label: string;
  clients?: number;
  median: Figures;
  runs: Figures[];
};

/** @param more figures that there is only one of, however many runs there were */
export function rowOf(
  names: { scenario: string; label: string; clients?: number },
  runs: Figures[],
  more: Figures = {},
): Row {
  const figures = new Set(runs.flatMap((run) => Object.keys(run)));
  const medians = [...figures].map((name) => {
    const key = name as keyof Figures; // they are its keys
    return [key, median(runs.map((run) => run[key]).filter((value) => value !== undefined))];
  });
  return { ...names, median: { ...Object.fromEntries(medians), ...more }, runs };
}

export const timesOf = ({ p50_ms, p99_ms, p999_ms }: LoadResult) => ({ p50_ms, p99_ms, p999_ms });

/** Of an even number the mean of the middle two; undefined of none. */
export function median(values: number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}
