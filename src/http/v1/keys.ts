import { z } from "zod";
import { KEY_NAME_PATTERN } from "../../domain/api-key.ts";
import { Rejection } from "../../domain/rejection.ts";
import { CUSTOMER_ROLES, mayGive, ROLES, type Role } from "../../domain/roles.ts";
import {
  type ApiKey,
  createApiKey,
  listApiKeys,
  type NewApiKey,
  revokeApiKeys,
  rotateApiKey,
} from "../../postgres/api-keys.ts";
import { type IdempotentCall, once } from "../../postgres/once.ts";
import type { Transaction } from "../../postgres/transaction.ts";
import { fingerprintOf } from "../../redis/fingerprint.ts";
import { doerOf, type RequestContext } from "../answer.ts";
import type { RouteDeps } from "../deps.ts";
import { time, userId } from "../fields.ts";
import { askLedger, writeLedger } from "../ledger-call.ts";
import { text } from "../parse.ts";
import { type Route, route } from "../route.ts";

const TAG = "Keys";
const SECONDS_MAX = 36_500 * 86_400;
const OVERLAP_SECONDS = 3_600;

const keyId = text(64).meta({ description: "Not secret.", example: "2d2613da215de357" });
const name = z
  .string()
  .regex(KEY_NAME_PATTERN, "must be 1 to 64 of A-Z a-z 0-9 . _ -")
  .meta({ description: "Who calls with it, in logs and histories.", example: "web-shop" });
const roles = z
  .array(z.enum(ROLES))
  .min(1)
  .max(ROLES.length)
  .meta({ example: ["checkout"] });
const shown = z.object({
  keyId,
  name,
  roles,
  customerId: userId.nullable().meta({
    description: "The only customer it may act for. Null: for all.",
    example: null,
  }),
  createdAt: time,
  expiresAt: time.nullable().meta({ description: "Null: never." }),
  replacedAt: time.nullable().meta({ description: "When a rotation put a new one beside it." }),
  revokedAt: time.nullable().meta({ description: "When somebody ended it." }),
});
const made = shown.extend({
  key: z.string().nullable().meta({
    description:
      "What its holder sends as bearer token. It is shown this once: the same request again has null here, with `Idempotent-Replayed: true`. Whoever has lost it rotates it.",
    example: "hf_2d2613da215de357_3ATvWERDVqcC60MDAKdW-73hwJpgMz9GbFyayDObbkY",
  }),
});
const params = z.object({ id: keyId });

/** API keys, for `AUTH=keys`. The first one comes from `npm run keys`. */
export function createKeyRoutes({ pool, request_budget_ms }: RouteDeps): Route[] {
  const create = route(
    {
      method: "POST",
      path: "/v1/keys",
      roles: ["operator"],
      tag: TAG,
      summary: "Make an API key",
      description:
        "It counts within a second. You can give the roles that you have, and `viewer`: an operator reads all that anyway. With `AUTH=oidc` keys let nobody in.",
      idempotency_key: "REQUIRED",
      body: z
        .strictObject({
          name,
          roles,
          customerId: userId.optional(),
          expiresInSeconds: z.int().min(1).max(SECONDS_MAX).optional().meta({
            description: "How long it lives; without it, for ever.",
            example: 86_400,
          }),
        })
        .refine(isForOneRole, {
          path: ["roles"],
          message: "must be checkout alone with a customerId",
        }),
      answers: { 202: { description: "Made.", body: made } },
      problems: ["FORBIDDEN", "KEY_EXISTS"],
    },
    request_budget_ms,
    async ({ body, key, context }) => {
      const { name, customerId: customer = null, expiresInSeconds } = body;
      const roles = ROLES.filter((role) => body.roles.includes(role));
      refuseGiving(context, roles);
      const expires_in_ms = expiresInSeconds === undefined ? null : expiresInSeconds * 1_000;
      const fingerprint = fingerprintOf([name, roles, customer, expires_in_ms]);
      return make(context, { route: "create_key", key, fingerprint }, (to, by) =>
        createApiKey(to, { name, roles, customer, expires_in_ms }, by),
      );
    },
  );

  const list = route(
    {
      method: "GET",
      path: "/v1/keys",
      roles: ["operator"],
      tag: TAG,
      summary: "All API keys there are or were, newest first",
      description: "The newest 1,000. Of none is the key itself kept.",
      projection: true,
      answers: { 200: { description: "All of them.", body: z.object({ items: z.array(shown) }) } },
    },
    request_budget_ms,
    async ({ context }) => {
      const keys = await askLedger(context, listApiKeys(pool));
      return { status: 200, lag_ms: 0, body: { items: keys.map(present) } };
    },
  );

  const rotate = route(
    {
      method: "POST",
      path: "/v1/keys/{id}:rotate",
      roles: ["operator"],
      tag: TAG,
      summary: "Put a new API key in the place of one",
      description:
        "With the same name, roles, customer and lifetime; you must have its roles. The old one goes on beside it for the overlap, and can't be rotated again.",
      idempotency_key: "REQUIRED",
      params,
      body: z.strictObject({
        overlapSeconds: z.int().min(0).max(SECONDS_MAX).default(OVERLAP_SECONDS).meta({
          description: "How long the old one goes on; 0 ends it at once.",
          example: OVERLAP_SECONDS,
        }),
      }),
      answers: { 202: { description: "The new one.", body: made } },
      problems: ["FORBIDDEN", "NOT_FOUND"],
    },
    request_budget_ms,
    async ({ params: { id: key_id }, body: { overlapSeconds }, key, context }) => {
      const fingerprint = fingerprintOf([key_id, overlapSeconds]);
      return make(context, { route: "rotate_key", key, fingerprint }, (to, by) =>
        rotateApiKey(to, { key_id }, overlapSeconds * 1_000, by, (old) =>
          refuseGiving(context, old.roles),
        ),
      );
    },
  );

  const revoke = route(
    {
      method: "DELETE",
      path: "/v1/keys/{id}",
      roles: ["operator"],
      tag: TAG,
      summary: "End an API key",
      description: "Within a second, for good. One that it has replaced goes on until its own end.",
      idempotency_key: "REQUIRED",
      params,
      answers: {
        202: { description: "Ended.", body: z.object({ keyId, name, revokedAt: time }) },
      },
      problems: ["NOT_FOUND"],
    },
    request_budget_ms,
    async ({ params: { id: key_id }, key, context }) => {
      const by = doerOf(context);
      const call = { route: "revoke_key", key, fingerprint: fingerprintOf([key_id]), by } as const;
      const { result, replayed } = await writeLedger(
        context,
        once(pool, call, async (to) => {
          const [ended] = await revokeApiKeys(to, { key_id }, by);
          const { name = "", revoked_at = null } = ended ?? {};
          return { keyId: key_id, name, revokedAt: revoked_at?.toISOString() ?? "" };
        }),
      );
      return { status: 202, replayed, body: result };
    },
  );

  // What is remembered of it has no secret, so a replay can't show one either.
  async function make(
    context: RequestContext,
    asked: Omit<IdempotentCall, "by">,
    work: (to: Transaction, by: IdempotentCall["by"]) => Promise<NewApiKey>,
  ) {
    const by = doerOf(context);
    let token: string | null = null;
    const { result, replayed } = await writeLedger(
      context,
      once(pool, { ...asked, by }, async (to) => {
        const { key, token: fresh } = await work(to, by);
        token = fresh;
        return present(key);
      }),
    );
    return { status: 202, replayed, body: { ...result, key: token } };
  }

  return [create, list, rotate, revoke];
}

function isForOneRole({ roles, customerId }: { roles: Role[]; customerId?: string | undefined }) {
  return customerId === undefined || roles.every((role) => CUSTOMER_ROLES.includes(role));
}

/** @throws Rejection FORBIDDEN when somebody would give, or get, a role that he does not have */
function refuseGiving({ caller }: RequestContext, wanted: readonly Role[]): void {
  const missing = wanted.filter((role) => !mayGive(caller.roles, role));
  if (missing.length === 0) return;
  const detail = `You can't give what you don't have: ${missing.join(", ")}.`;
  throw new Rejection("FORBIDDEN", detail, { missing });
}

function present(key: ApiKey): z.infer<typeof shown> {
  const at = (time: Date | null) => time?.toISOString() ?? null;
  return {
    keyId: key.key_id,
    name: key.name,
    roles: key.roles,
    customerId: key.customer,
    createdAt: key.created_at.toISOString(),
    expiresAt: at(key.expires_at),
    replacedAt: at(key.replaced_at),
    revokedAt: at(key.revoked_at),
  };
}
