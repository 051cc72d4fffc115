import type { Row } from "./figures.ts";
import type { Generator } from "./load.ts";
import type { Parts } from "./parts.ts";
import type { Progress } from "./progress.ts";

/** What a scenario is run with. */
export type Bench = {
  generator: Generator;
  progress: Progress;
  /** Of its own: what it starts is stopped after it. */
  parts: Parts;
  /** Does not exist yet, and is removed with `parts`. */
  dir: string;
  /** Of one run. */
  seconds: number;
  runs: number;
  /** How many holds are live in `grown`. */
  grown: number;
  /** What the system may use in `overload`; all there is unless it is said. */
  cores?: number | undefined;
};

export type Scenario = {
  name: string;
  /** For the table's foot: what its rows are. */
  what: string;
  /** Throws a Wrong when something was answered or kept that should not be. */
  run(bench: Bench): Promise<Row[]>;
};

/** The scenario has done its work, and not right. */
export class Wrong extends Error {
  override name = "Wrong";
}

/** @throws Wrong that tells all of them */
export function refuseDifferences(differences: string[]): void {
  if (differences.length > 0) throw new Wrong(`the books differ: ${differences.join("; ")}`);
}

/** More than anybody takes, for scenarios in which nothing sells out. */
export const PLENTY = 1_000_000_000_000;
