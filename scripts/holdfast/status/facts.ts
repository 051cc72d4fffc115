import type { Calls } from "../../../src/client/client.ts";
import type { OpenAudit } from "../audit-pages.ts";
import type { Letters } from "../dead.ts";
import type { Recovery } from "../recovery.ts";
import type { Samples } from "./samples.ts";

/** What the API or the worker says of itself. */
export type Process =
  | { state: "READY" }
  | { state: "NOT_READY"; missing: Record<string, string> }
  | { state: "AWAY"; why: string }
  /** Nobody has said where it is. */
  | { state: "NOT_ASKED" };

/** An answer, or why there is none: a problem's code, or UNREACHABLE. */
export type Read<Body> = { body: Body } | { code: string; why: string };

export type Projections = Calls["GET /v1/projections/status"]["answer"];
export type Paused = Calls["GET /v1/rules"]["answer"];
export type Payments = Calls["GET /v1/unfulfilled-payments"]["answer"];

/** All that `status` has found out. What it can't be told is no reason to be silent about the rest. */
export type Facts = {
  url: string;
  worker_url: string | undefined;
  is_local: boolean;
  /** What `up` has started here and still runs; of a place elsewhere nothing. */
  running: string[];
  data_dir: string;
  api: Process;
  worker: Process;
  recovery: Read<Recovery>;
  projections: Read<Projections>;
  letters: Read<Letters>;
  audit: Read<OpenAudit>;
  payments: Read<Payments>;
  /** Skus of which nobody takes any, since somebody has said so. */
  paused: Read<Paused>;
  api_metrics: Read<Samples>;
  worker_metrics: Read<Samples>;
};

export const bodyOf = <Body>(read: Read<Body>): Body | undefined =>
  "body" in read ? read.body : undefined;
