/** NOW: somebody must act now. TODAY: today. NOTE: it may be meant so. */
export type Urgency = "NOW" | "TODAY" | "NOTE";

/** One thing that is not as it should be. */
export type Finding = {
  urgency: Urgency;
  /** What it is, and what it means for who buys. */
  what: string;
  /** What to do, the first thing first: commands, or words. */
  todo: readonly string[];
  /** The heading of docs/operations.md that says more. */
  section: string | null;
};

export const isWrong = ({ urgency }: Finding) => urgency !== "NOTE";
