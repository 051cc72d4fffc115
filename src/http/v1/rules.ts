import { z } from "zod";
import { CODE_PATTERN } from "../../domain/ids.ts";
import {
  HOLDS_EXTENDED_MAX,
  QUANTITY_MAX,
  TTL_SECONDS_MAX,
  UNITS_MAX,
} from "../../domain/limits.ts";
import { Rejection } from "../../domain/rejection.ts";
import type { KeptRules, SaleRules } from "../../domain/rules.ts";
import { listRules } from "../../postgres/rules-list.ts";
import { RedisFault } from "../../redis/outcome.ts";
import type { RouteDeps } from "../deps.ts";
import { cursor, isoTime, limit, pageOf, presentPage, sku, time } from "../fields.ts";
import { readRecorded } from "../ledger-call.ts";
import { type Route, route } from "../route.ts";

const TAG = "Rules";

const limitOf = (max: number, description: string, example: number) =>
  z.int().min(1).max(max).optional().meta({ description, example });
/** As far as whole numbers surely reach, in a script and in its event. */
const [YEAR_MIN, YEAR_END] = [1970, 3000];
const isFarAway = (text: string) =>
  Date.parse(text) < Date.UTC(YEAR_MIN) || Date.parse(text) >= Date.UTC(YEAR_END);
const moment = (description: string, example: string) =>
  z.iso
    .datetime({ offset: true })
    .refine((text) => !isFarAway(text), `must be from ${YEAR_MIN} on, and before ${YEAR_END}`)
    .optional()
    .meta({ description, example });

const members = {
  maxPerOrder: limitOf(QUANTITY_MAX, "Units in one reservation or purchase.", 2),
  maxPerCustomer: limitOf(UNITS_MAX, "Units a customer has in live reservations and orders.", 2),
  maxActiveHolds: limitOf(UNITS_MAX, "Live reservations a customer has at a time.", 1),
  opensAt: moment("Nobody takes any before.", "2026-11-27T10:00:00.000Z"),
  closesAt: moment(
    "Nobody takes any from then on; what is reserved can still be confirmed.",
    "2026-11-27T12:00:00.000Z",
  ),
  paused: z.boolean().optional().meta({ description: "Nobody takes any.", example: false }),
  holdSeconds: limitOf(TTL_SECONDS_MAX, "How long a reservation lasts when nobody says.", 300),
  maxHoldSeconds: limitOf(TTL_SECONDS_MAX, "How long one lasts at most, extended or not.", 900),
  maxExtensions: z.int().min(0).max(HOLDS_EXTENDED_MAX).optional().meta({
    description: "How often one may be extended.",
    example: 3,
  }),
  returnsFree: z.boolean().optional().meta({
    description: "What a customer returns may be bought again: it counts no more.",
    example: true,
  }),
};
const shown = z.object({
  sku,
  ...members,
  version: z.int().meta({ example: 12 }),
});
const params = z.object({ sku: sku.meta({ example: "ticket" }) });

/** What may be sold of a sku, to whom and when. In force at once, for every API process. */
export function createRulesRoutes(deps: RouteDeps): Route[] {
  const { rules, request_budget_ms } = deps;

  const put = route(
    {
      method: "PUT",
      path: "/v1/rules/{sku}",
      roles: ["inventory"],
      tag: TAG,
      summary: "Set the rules of a sale",
      description:
        "All of them at once: one that you leave out does not limit any more. Customers are counted from the first limit per customer on.",
      idempotency_key: "REQUIRED",
      if_match: true,
      params,
      body: z
        .strictObject(members)
        .refine((rules) => Object.keys(rules).length > 0, "name at least one rule"),
      answers: {
        202: { description: "In force.", body: shown.extend({ changedAt: time }) },
      },
      problems: ["VERSION_CONFLICT"],
    },
    request_budget_ms,
    async ({ params: { sku }, body, key, if_version, context }) => {
      const wanted = rulesOf(body);
      const changed = await rules.changeRules({ sku, rules: wanted, if_version }, key, context);
      return {
        status: 202,
        replayed: changed.replayed,
        body: {
          ...present(sku, wanted, changed.version),
          changedAt: isoTime(changed.changed_at),
        },
      };
    },
  );

  const read = route(
    {
      method: "GET",
      path: "/v1/rules/{sku}",
      roles: ["checkout", "inventory", "operator", "viewer"],
      owned: "NOBODYS",
      tag: TAG,
      summary: "The rules of a sale",
      projection: true,
      params,
      answers: { 200: { description: "What is in force.", body: shown } },
      problems: ["RULES_NOT_FOUND"],
    },
    request_budget_ms,
    async ({ params: { sku }, context }) => {
      const { recorded: kept, lag_ms } = await rules.readRules(sku).then(
        (recorded) => ({ recorded, lag_ms: 0 }),
        (error: unknown) => {
          if (!(error instanceof RedisFault)) throw error;
          return readRecorded(deps, context, () => deps.ledger.readRules(sku));
        },
      );
      return { status: 200, lag_ms, body: presentKept(sku, kept) };
    },
  );

  const remove = route(
    {
      method: "DELETE",
      path: "/v1/rules/{sku}",
      roles: ["inventory"],
      tag: TAG,
      summary: "Take the rules of a sale away",
      idempotency_key: "REQUIRED",
      if_match: true,
      params,
      answers: {
        202: {
          description: "Nothing limits the sale any more.",
          body: z.object({ sku, changedAt: time }),
        },
      },
      problems: ["RULES_NOT_FOUND", "VERSION_CONFLICT"],
    },
    request_budget_ms,
    async ({ params: { sku }, key, if_version, context }) => {
      const changed = await rules.changeRules({ sku, rules: null, if_version }, key, context);
      return {
        status: 202,
        replayed: changed.replayed,
        body: { sku, changedAt: isoTime(changed.changed_at) },
      };
    },
  );

  const list = route(
    {
      method: "GET",
      path: "/v1/rules",
      roles: ["inventory", "operator", "viewer"],
      tag: TAG,
      summary: "Skus with rules, in the order of their skus",
      description: "As recorded.",
      projection: true,
      query: z.strictObject({
        paused: z.enum(["true"]).optional().meta({ description: "Only those that are paused." }),
        limit,
        cursor: cursor(z.string().regex(CODE_PATTERN, "is not a cursor of this list")),
      }),
      answers: { 200: { description: "A page of them.", body: pageOf(shown) } },
    },
    request_budget_ms,
    async ({ query: { paused, limit, cursor: after }, context }) => {
      const { recorded, lag_ms } = await readRecorded(deps, context, () =>
        listRules(deps.pool, { paused: paused !== undefined, limit, after }),
      );
      const body = presentPage(recorded, ({ sku, rules, version }) =>
        present(sku, rules ?? {}, version),
      );
      return { status: 200, lag_ms, body };
    },
  );

  return [list, put, read, remove];
}

type Members = z.infer<z.ZodObject<typeof members>>;

/** @throws Rejection INVALID_REQUEST for rules that nothing could ever be sold by, or that say nothing */
function rulesOf(body: Members): SaleRules {
  const rules: SaleRules = {
    max_per_order: body.maxPerOrder,
    max_per_customer: body.maxPerCustomer,
    max_active_holds: body.maxActiveHolds,
    opens_at: body.opensAt === undefined ? undefined : Date.parse(body.opensAt),
    closes_at: body.closesAt === undefined ? undefined : Date.parse(body.closesAt),
    paused: body.paused || undefined,
    hold_seconds: body.holdSeconds,
    max_hold_seconds: body.maxHoldSeconds,
    max_extensions: body.maxExtensions,
    returns_free: body.returnsFree || undefined,
  };
  if (Object.values(rules).every((rule) => rule === undefined)) {
    throw new Rejection("INVALID_REQUEST", "Name at least one rule, or DELETE them all.");
  }
  const { opens_at = 0, closes_at = Number.POSITIVE_INFINITY } = rules;
  if (closes_at <= opens_at) refuse("closesAt", "must be later than opensAt");
  if ((rules.hold_seconds ?? 0) > (rules.max_hold_seconds ?? TTL_SECONDS_MAX)) {
    refuse("holdSeconds", "must be at most maxHoldSeconds");
  }
  return rules;
}

function refuse(member: string, detail: string): never {
  const errors = [{ pointer: `#/${member}`, detail }];
  throw new Rejection("INVALID_REQUEST", `${member} ${detail}.`, { errors });
}

function presentKept(sku: string, kept: KeptRules | null): z.infer<typeof shown> {
  if (kept?.rules) return present(sku, kept.rules, kept.version);
  throw new Rejection("RULES_NOT_FOUND", `There are no rules for ${sku}.`, { sku });
}

function present(sku: string, rules: SaleRules, version: number): z.infer<typeof shown> {
  return {
    sku,
    maxPerOrder: rules.max_per_order,
    maxPerCustomer: rules.max_per_customer,
    maxActiveHolds: rules.max_active_holds,
    opensAt: rules.opens_at === undefined ? undefined : isoTime(rules.opens_at),
    closesAt: rules.closes_at === undefined ? undefined : isoTime(rules.closes_at),
    paused: rules.paused,
    holdSeconds: rules.hold_seconds,
    maxHoldSeconds: rules.max_hold_seconds,
    maxExtensions: rules.max_extensions,
    returnsFree: rules.returns_free,
    version,
  };
}
