import type { PartName } from "../stack-files.ts";

type Kind = {
  part: PartName;
  how: "KILL" | "FREEZE" | "FLUSH" | "FORGET_SCRIPTS";
  /** On the page. */
  says: string;
  /** Data are gone afterwards, so it is done only when asked for. */
  loses_data?: true;
};

/** What can be done to the system, by the name that `--faults` takes. */
export const FAULT_KINDS = {
  api: { part: "api", how: "KILL", says: "API killed (kill -9)" },
  worker: { part: "worker", how: "KILL", says: "worker killed (kill -9)" },
  redis: { part: "redis", how: "KILL", says: "Redis killed (kill -9)" },
  postgres: { part: "postgres", how: "KILL", says: "Postgres killed (kill -9)" },
  "freeze-api": { part: "api", how: "FREEZE", says: "API frozen (SIGSTOP)" },
  "freeze-worker": { part: "worker", how: "FREEZE", says: "worker frozen (SIGSTOP)" },
  "freeze-redis": { part: "redis", how: "FREEZE", says: "Redis frozen (SIGSTOP)" },
  "freeze-postgres": { part: "postgres", how: "FREEZE", says: "Postgres frozen (SIGSTOP)" },
  scriptflush: {
    part: "redis",
    how: "FORGET_SCRIPTS",
    says: "Redis's scripts gone (SCRIPT FLUSH)",
  },
  flushall: { part: "redis", how: "FLUSH", says: "Redis emptied (FLUSHALL)", loses_data: true },
} as const satisfies Record<string, Kind>;

export type FaultKind = keyof typeof FAULT_KINDS;

const ALL = Object.keys(FAULT_KINDS) as FaultKind[]; // Object.keys forgets the literals

export const isFaultKind = (name: string): name is FaultKind => name in FAULT_KINDS;

export const kindOf = (kind: FaultKind): Kind => FAULT_KINDS[kind];

/** Those of a drill that names none. */
export const INTACT_KINDS = ALL.filter((kind) => kindOf(kind).loses_data === undefined);
export const LOSING_KINDS = ALL.filter((kind) => kindOf(kind).loses_data === true);
