import type { createRequest } from "./request.ts";
import type { CallOptions } from "./settings.ts";
import type { Calls } from "./types/calls.ts";

/** What became of one line. */
export type BulkLine =
  | {
      line: number;
      status: "APPLIED" | "REPLAYED";
      sku: string;
      storeId: string;
      onHand: number;
      reserved: number;
      available: number;
      version: number;
    }
  | {
      /** Missing when no further line could be read. */
      line?: number;
      status: "REFUSED";
      sku?: string;
      storeId?: string;
      code: string;
      detail: string;
    };

/**
 * Sets or changes up to 10,000 stocks. When some lines are refused as STORE_UNAVAILABLE, OVERLOADED or
 * OUTCOME_UNKNOWN, call it again with the same lines and the same `idempotencyKey`.
 */
export function createBulk(request: ReturnType<typeof createRequest>) {
  return async (
    lines: Calls["POST /v1/stock:bulk"]["body"],
    options?: CallOptions,
  ): Promise<BulkLine[]> => {
    const { body } = await request<string>("POST", "/v1/stock:bulk", { ...options, body: lines });
    const results = body.split("\n").filter((line) => line !== "");
    return results.map((line) => JSON.parse(line) as BulkLine); // as the document describes it
  };
}
