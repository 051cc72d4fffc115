import type { Request, Response } from "express";
import { z } from "zod";
import { BULK_BYTES_MAX } from "../../domain/limits.ts";
import { Rejection } from "../../domain/rejection.ts";
import { monotonicNow } from "../../now.ts";
import { Overloaded, RedisFault } from "../../redis/outcome.ts";
import { scopedKey } from "../access/caller.ts";
import { contextOf } from "../answer.ts";
import { isOfType, NDJSON_TYPE, readJson } from "../body.ts";
import { camelCasedMembers } from "../camel-case.ts";
import type { RouteDeps } from "../deps.ts";
import { onHand, sku, storeId } from "../fields.ts";
import { openLineAnswer } from "../line-answer.ts";
import { discardRest, listLines, type RequestLine, readLines } from "../ndjson.ts";
import { parse } from "../parse.ts";
import { noteProblem } from "../problem.ts";
import { type Route, rawRoute, requiredKey } from "../route.ts";
import { delta, presentLevels } from "./levels.ts";
import { createSlots } from "./slots.ts";

const LINES_MAX = 10_000;
const LIMITS = { bytes_max: BULK_BYTES_MAX, line_bytes_max: 2_048, lines_max: LINES_MAX };
/** Of one process, over all requests: they must not fill the queue that a sale needs. */
const IN_WORK_MAX = 512;

const stockLine = z
  .strictObject({
    sku,
    storeId: storeId.optional(),
    onHand: onHand.optional(),
    delta: delta.optional(),
  })
  .refine(({ onHand, delta }) => (onHand === undefined) !== (delta === undefined), {
    message: "must have either onHand or delta",
  });

const ndjson = (lines: object[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join("");
const REQUEST_EXAMPLE = ndjson([
  { sku: "tea", onHand: 100 },
  { sku: "mug", storeId: "berlin", delta: -2 },
]);
const ANSWER_EXAMPLE = ndjson([
  {
    ...{ line: 1, status: "APPLIED", sku: "tea", storeId: "main" },
    ...{ onHand: 100, reserved: 3, available: 97, version: 8 },
  },
  {
    ...{ line: 2, status: "REFUSED", sku: "mug", storeId: "berlin" },
    ...{ requested: 2, available: 1, code: "WOULD_GO_NEGATIVE" },
    detail: "2 of mug would leave berlin, which has 1 available.",
  },
]);

export function createBulkRoutes({
  stock,
  default_store,
  request_budget_ms,
  log,
}: RouteDeps): Route[] {
  const slots = createSlots(IN_WORK_MAX);

  const bulk = rawRoute(
    {
      method: "POST",
      path: "/v1/stock:bulk",
      roles: ["inventory"],
      tag: "Stock",
      summary: "Set or change many stocks",
      description:
        "Up to 10,000 lines: `onHand` sets a stock as `/v1/items:set-absolute` does, `delta` changes it as `/v1/adjustments` does. Each line is done or refused by itself, and answered by a line, in their order, while the next ones still come in. When some are STORE_UNAVAILABLE, OVERLOADED or OUTCOME_UNKNOWN, or the answer breaks off, send it all again with the same key: what was done is answered as REPLAYED.",
      idempotency_key: "REQUIRED",
      body: z.array(stockLine).min(1).max(LINES_MAX),
      body_example: [{ sku: "tea", onHand: 100 }],
      body_types: {
        "application/x-ndjson": {
          description: "A line of JSON for each stock. Blank lines are passed over.",
          example: REQUEST_EXAMPLE,
        },
      },
      body_bytes_max: BULK_BYTES_MAX,
      answers: {
        202: {
          description:
            "A line of JSON for each line: APPLIED, REPLAYED, or REFUSED with the code and detail of the problem.",
          body: "application/x-ndjson",
          example: ANSWER_EXAMPLE,
        },
      },
    },
    serve,
  );

  async function serve(req: Request, res: Response) {
    const { caller, request_id, actor } = contextOf(res);
    const key = scopedKey(caller, requiredKey(req));
    parse(z.strictObject({}), req.query, "query");
    const lines = await linesOf(req);
    const answer = openLineAnswer(res, request_budget_ms);
    let begun = false;
    try {
      for await (const line of lines) {
        await slots.take();
        const result = decide(line, { key, request_id, actor, first: !begun }).finally(slots.give);
        // The first one goes ahead: while Redis is away all of it is refused, and nothing was done.
        if (!begun) await result;
        begun = true;
        answer.add(result);
        if (res.destroyed) return;
        // Not before: many a caller looks at no answer until it has sent everything.
        if (req.complete) await answer.drained();
      }
      if (!begun) throw new Rejection("INVALID_REQUEST", "There are no lines.");
    } catch (error) {
      if (!begun) throw error;
      answer.add(Promise.resolve({ status: "REFUSED", ...why(error, request_id) }));
    }
    await discardRest(req);
    await answer.end();
  }

  async function decide(
    { number, read }: RequestLine,
    request: { key: string; request_id: string; actor: string | undefined; first: boolean },
  ): Promise<object> {
    const { key, request_id, actor, first } = request;
    let place = {};
    try {
      const {
        sku,
        storeId: store_id = default_store,
        onHand,
        delta = 0,
      } = parse(stockLine, read());
      place = { sku, storeId: store_id };
      const counts = onHand !== undefined;
      const operation = counts ? "COUNT" : "ADJUST";
      const units = counts ? onHand : delta;
      const after = await stock.changeStock(
        { sku, store_id, operation, units, reason: counts ? "count" : "manual" },
        { route: "bulk", key: `${key}#${number}`, request: [sku, store_id, operation, units] },
        { request_id, actor, deadline: monotonicNow() + request_budget_ms },
      );
      const status = after.replayed ? "REPLAYED" : "APPLIED";
      return { line: number, status, ...place, ...presentLevels(after) };
    } catch (error) {
      if (first && (error instanceof RedisFault || error instanceof Overloaded)) throw error;
      return { line: number, status: "REFUSED", ...place, ...why(error, request_id) };
    }
  }

  function why(error: unknown, request_id: string) {
    const { code, detail, members } = noteProblem(error, request_id, log);
    return { ...camelCasedMembers(members), code, detail };
  }

  return [bulk];
}

const linesOf = async (req: Request) =>
  isOfType(req, NDJSON_TYPE)
    ? readLines(req, LIMITS)
    : listLines(await readJson(req, BULK_BYTES_MAX), LINES_MAX);
