import { randomUUID } from "node:crypto";
import { FOREVER, keys, type Request } from "./script-side.ts";

export type JoinSpec = {
  waiter_id?: string;
  user_id?: string;
  sku?: string;
  store_id?: string;
  quantity?: number | string;
  offer_ms?: number | string;
  idem?: string;
  fingerprint?: string;
  deadline?: number | string;
  event_id?: string;
};

export const newWaiter = () => `W-${randomUUID()}`;

export function joinRequest(spec: JoinSpec = {}): Request {
  const { waiter_id = newWaiter(), user_id = waiter_id, sku = "phone", store_id = "main" } = spec;
  const { quantity = 1, offer_ms = 60_000, deadline = FOREVER, event_id = randomUUID() } = spec;
  const { idem = randomUUID(), fingerprint = "join-1" } = spec;
  const args = [
    ...[deadline, event_id, "request-4", waiter_id, user_id, offer_ms, fingerprint],
    ...[sku, store_id, quantity],
  ];
  return {
    keys: [
      keys.waiter(waiter_id),
      keys.idem("waitlist_join", idem),
      ...keys.ofStock({ sku, store_id }),
    ],
    args: args.map(String),
  };
}

export type LeaveSpec = Pick<JoinSpec, "idem" | "fingerprint" | "deadline" | "event_id"> & {
  waiter_id: string;
};

export function leaveRequest(spec: LeaveSpec): Request {
  const { waiter_id, deadline = FOREVER, event_id = randomUUID() } = spec;
  const { idem = randomUUID(), fingerprint = "leave-1" } = spec;
  return {
    keys: [keys.waiter(waiter_id), keys.idem("waitlist_leave", idem)],
    args: [deadline, event_id, "request-5", waiter_id, fingerprint].map(String),
  };
}

export const offerRequest = ({
  sku = "phone",
  store_id = "main",
  deadline = FOREVER,
}: Omit<JoinSpec, "waiter_id"> = {}): Request => ({
  keys: keys.ofStock({ sku, store_id }),
  args: [String(deadline)],
});
