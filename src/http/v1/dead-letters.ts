import { z } from "zod";
import { type DeadLetter, listDead, requestReplay } from "../../postgres/dead-letters.ts";
import { pageOf as pageOfRows } from "../../postgres/history-page.ts";
import { once } from "../../postgres/once.ts";
import { fingerprintOf } from "../../redis/fingerprint.ts";
import { doerOf } from "../answer.ts";
import type { RouteDeps } from "../deps.ts";
import { cursor, isoTime, limit, pageOf, presentPage, time } from "../fields.ts";
import { readRecorded, writeLedger } from "../ledger-call.ts";
import { text } from "../parse.ts";
import { type Route, route } from "../route.ts";

const TAG = "Operation";
const MESSAGES_MAX = 1_000;
/** A message id is at most two numbers of 64 bits. */
const MESSAGE_ID_CHARS_MAX = 41;
/** For as many ids as may be named, and white space between them. */
const REPLAY_BYTES_MAX = 64 * 1024;

const messageId = text(MESSAGE_ID_CHARS_MAX).meta({
  description: "The id of the stream's entry.",
  example: "1795227471048-0",
});
const shown = z.object({
  messageId,
  seq: z.int().nullable().meta({ description: "Null when it has none.", example: 17 }),
  error: z.string().meta({ example: "payload: not JSON" }),
  attempts: z.int().meta({ example: 1 }),
  failedAt: time,
  replayRequestedAt: time.nullable().meta({
    description:
      "When somebody asked for it to be tried again; null when nobody has since it failed.",
  }),
  entry: z.record(z.string(), z.string()).meta({
    description: "The entry as it was read.",
    example: { event_id: "01a1fbe0", type: "HOLD_CREATED", seq: "17", payload: "{" },
  }),
});
const replayed = z.object({
  requested: z.int().meta({ description: "How many will be tried again.", example: 1 }),
  messageIds: z.array(messageId),
  unknown: z.array(messageId).meta({
    description: "Those that name no dead letter: it may have been recorded since.",
    example: [],
  }),
});

/** Events that could not be recorded. */
export function createDeadLetterRoutes(deps: RouteDeps): Route[] {
  const { pool, request_budget_ms } = deps;

  const list = route(
    {
      method: "GET",
      path: "/v1/dlt",
      roles: ["operator", "viewer"],
      tag: TAG,
      summary: "Dead letters, newest first",
      description: "Events that could not be recorded, each with the reason.",
      projection: true,
      query: z.strictObject({ limit, cursor: cursor(place()) }),
      answers: { 200: { description: "A page of them.", body: pageOf(shown) } },
    },
    request_budget_ms,
    async ({ query: { limit, cursor: before }, context }) => {
      const { recorded, lag_ms } = await readRecorded(deps, context, () =>
        listDead(pool, { limit: limit + 1, before }),
      );
      const page = pageOfRows(recorded, limit, ({ dead_id }) => dead_id);
      return { status: 200, lag_ms, body: presentPage(page, present) };
    },
  );

  const replay = route(
    {
      method: "POST",
      path: "/v1/dlt/replay",
      roles: ["operator"],
      tag: TAG,
      summary: "Try dead letters again",
      description:
        "The worker applies each of them once, soon. One that is recorded then is a dead letter no more; one that fails again stays, with another attempt. Asking again meanwhile changes nothing.",
      idempotency_key: "REQUIRED",
      body: z.strictObject({
        messageIds: z
          .array(messageId)
          .min(1)
          .max(MESSAGES_MAX)
          .optional()
          .meta({ description: "Which ones. Left out: all there are." }),
      }),
      body_bytes_max: REPLAY_BYTES_MAX,
      answers: { 202: { description: "They will be tried again.", body: replayed } },
    },
    request_budget_ms,
    async ({ body: { messageIds }, key, context }) => {
      const message_ids = messageIds ? [...new Set(messageIds)].sort() : null;
      const fingerprint = fingerprintOf([message_ids]);
      const by = doerOf(context);
      const { result, replayed } = await writeLedger(
        context,
        once(pool, { route: "replay_dead_letters", key, fingerprint, by }, (to) =>
          requestReplay(to, message_ids, by),
        ),
      );
      const { requested, unknown } = result;
      return {
        status: 202,
        replayed,
        body: { requested: requested.length, messageIds: requested, unknown },
      };
    },
  );

  return [list, replay];
}

const place = () =>
  z
    .string()
    .regex(/^[1-9]\d{0,14}$/, "is not a cursor of this list")
    .transform(Number);

function present(letter: DeadLetter): z.infer<typeof shown> {
  const { replay_requested_at } = letter;
  return {
    messageId: letter.message_id,
    seq: letter.seq,
    error: letter.error,
    attempts: letter.attempts,
    failedAt: isoTime(letter.failed_at),
    replayRequestedAt: replay_requested_at === null ? null : isoTime(replay_requested_at),
    entry: letter.fields,
  };
}
