import { randomUUID } from "node:crypto";
import type { Parts } from "./parts.ts";

/** Requests to a server on this machine, each with an idempotency key of its own. */
export type Load = {
  /** Reserves, sent to `path`; or reserves and their confirms in turn. */
  kind: "RESERVE" | "CHECKOUT";
  origin: string;
  path: string;
  clients: number;
  /** It ends by itself after so long. */
  seconds: number;
  /** Takes sku-0000000 and so on, in turn. */
  skus: number;
  /** 0: each client sends again as soon as it has its answer. Else by a schedule that waits for nobody. */
  per_second: number;
};

export type LoadResult = {
  requests: number;
  seconds: number;
  p50_ms: number;
  p99_ms: number;
  p999_ms: number;
  /** Answers of 400 and above. */
  refused: number;
  /** Requests without an answer. */
  failed: number;
};

export type RunningLoad = {
  result: Promise<LoadResult>;
  /** Ends it before its time. */
  stopEarly(): void;
};

export type Generator = {
  /** With its version. */
  name: string;
  /** What is to be known about its figures. */
  note: string;
  start(load: Load, parts: Parts): Promise<RunningLoad>;
};

export async function runLoad(generator: Generator, load: Load, parts: Parts): Promise<LoadResult> {
  const { result } = await generator.start(load, parts);
  return result;
}

/** Longer than any run, so that no hold falls due in one. wrk/posts.lua says it too. */
export const TTL_SECONDS = 7_200;

/** As long as most keys are, with the eight digits and the hyphen that follow. */
export const newKeyPrefix = () => randomUUID().slice(0, 27);

export const skuName = (i: number) => `sku-${String(i).padStart(7, "0")}`;
