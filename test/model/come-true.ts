import { randomUUID } from "node:crypto";
import { type Model, type ModelHold, stockOf } from "./model.ts";
import type { Request, ReturnUnits } from "./requests.ts";

// What is asked for when a wish comes true in this world.

const NOBODYS_HOLD = "H-00000000-0000-7000-8000-000000000000";
const NOBODYS_PLACE = "W-00000000-0000-7000-8000-000000000000";

/** A new one, none, or the n-th last that this route was asked with. */
export type KeyWish = "new" | "none" | number;
type VersionWish = "any" | "right" | "wrong";
type Wished<R> = R extends Request
  ? Omit<R, "key" | "hold_id" | "waiter_id" | "if_version"> &
      ("key" extends keyof R ? { key: KeyWish } : unknown) &
      ("hold_id" extends keyof R ? { hold: number } : unknown) &
      ("waiter_id" extends keyof R ? { waiter: number } : unknown) &
      ("if_version" extends keyof R ? { if_version: VersionWish } : unknown)
  : never;
/** Of what was sold by the n-th last hold that was sold. */
type ReturnWish = { does: "return"; key: KeyWish; sold: number; restock: boolean; late: boolean };
export type Wish = Wished<Exclude<Request, ReturnUnits>> | ReturnWish;

export function requestOf(model: Model, wish: Wish): Request {
  switch (wish.does) {
    case "reserve":
    case "transfer":
    case "purchase":
    case "join":
      return { ...wish, key: someKey(model, wish) };
    case "change": {
      const { version } = stockOf(model, wish);
      return { ...wish, key: someKey(model, wish), if_version: versionOf(wish, version) };
    }
    case "change rules": {
      const kept = model.rules.get(wish.sku);
      const version = kept?.rules ? kept.version : 0;
      return { ...wish, key: someKey(model, wish), if_version: versionOf(wish, version) };
    }
    case "settle": {
      const { hold, ...rest } = wish;
      return { ...rest, key: keyOf(model, wish), hold_id: holdOf(model, hold, isExpired) };
    }
    case "confirm":
    case "cancel": {
      const { hold, ...rest } = wish;
      return { ...rest, key: keyOf(model, wish), hold_id: holdOf(model, hold) };
    }
    case "extend": {
      const { hold, ...rest } = wish;
      return { ...rest, key: someKey(model, wish), hold_id: holdOf(model, hold, isActive) };
    }
    case "change hold": {
      const { hold, ...rest } = wish;
      const hold_id = holdOf(model, hold, isActive, isOfOneStore);
      const if_version = versionOf(wish, model.holds.get(hold_id)?.version ?? 1);
      return { ...rest, key: someKey(model, wish), hold_id, if_version };
    }
    case "expire":
      return { does: "expire", late: wish.late, hold_id: holdOf(model, wish.hold) };
    case "read hold":
      return { does: "read hold", hold_id: holdOf(model, wish.hold) };
    case "leave": {
      const { waiter, ...rest } = wish;
      const waiter_id = [...model.waiters.keys()].at(-1 - waiter) ?? NOBODYS_PLACE;
      return { ...rest, key: someKey(model, wish), waiter_id };
    }
    case "return":
      return returnOf(model, wish);
    case "read stocks":
    case "offer":
      return wish;
  }
}

const versionOf = ({ if_version }: { if_version: VersionWish }, version: number) =>
  ({ any: undefined, right: version, wrong: version + 1 })[if_version];

type Which = (hold: ModelHold) => boolean;
const isActive: Which = ({ status }) => status === "ACTIVE";
const isExpired: Which = ({ status }) => status === "EXPIRED";
/** Lines are only ever changed of such holds: over HTTP all of them are. */
const isOfOneStore: Which = ({ lines }) =>
  new Set(lines.map(({ store_id }) => store_id)).size === 1;

/** The n-th last hold; the very last ones of those that are liked best, when there are such. */
function holdOf({ holds }: Model, n: number, isLiked?: Which, isAllowed: Which = () => true) {
  const allowed = [...holds.values()].filter(isAllowed);
  const liked = n < 2 && isLiked ? allowed.filter(isLiked) : [];
  const hold = liked.at(-1 - n) ?? allowed.at(-1 - n);
  return hold?.hold_id ?? NOBODYS_HOLD;
}

/** Of one that was promised before under this key, or of all that a hold has sold. */
function returnOf(model: Model, { key, sold, restock, late }: ReturnWish): Request {
  const before = model.asked.filter((request) => request.does === "return");
  const again = typeof key === "number" ? before.at(-key) : undefined;
  if (again) return { ...again, restock, late };
  const holds = [...model.holds.values()].filter(({ status }) => status === "CONFIRMED");
  const hold = holds.at(-1 - sold);
  if (!hold) return { does: "read hold", hold_id: NOBODYS_HOLD };
  const { hold_id, user_id, lines, order_id = "" } = hold;
  const what = { order_id, hold_id, user_id, restock, lines };
  return { does: "return", route: "return", key: randomUUID(), late, ...what };
}

function keyOf({ asked }: Model, { route, key }: { route: string; key: KeyWish }) {
  if (key === "none") return undefined;
  const keys = asked.flatMap((request) =>
    "route" in request && request.route === route && request.key !== undefined ? [request.key] : [],
  );
  return (key === "new" ? undefined : keys.at(-key)) ?? `k-${asked.length}`;
}

const someKey = (model: Model, wish: { route: string; key: KeyWish }) => keyOf(model, wish) ?? "";
