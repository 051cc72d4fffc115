import { expect } from "@jest/globals";
import { DEFAULT_STORE, type Fact, learnTime, type Model } from "../model.ts";
import type { Answer } from "../requests.ts";

// What the decisions about stock have in common.

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The stores that a purchase looks at: the default one, then those registered, by name. */
export const candidates = ({ stores }: Model) => [
  DEFAULT_STORE,
  ...[...stores.keys()].filter((store_id) => store_id !== DEFAULT_STORE).sort(),
];

/** Whoever brings stock to a store makes it known, as the nearest one. */
export function register({ stores }: Model, store_id: string) {
  if (store_id !== DEFAULT_STORE && !stores.has(store_id)) stores.set(store_id, 0);
}

export function learnEvent(fact: Fact, said: Answer, model: Model) {
  learnTime(fact, said.occurred_at);
  expect(said.event_id).toMatch(UUID);
  expect(model.events.some(({ event_id }) => event_id === said.event_id)).toBe(false);
  fact.event_id = String(said.event_id);
}
