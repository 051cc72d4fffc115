import { randomUUID } from "node:crypto";
import { FOREVER, keys, type Request } from "./script-side.ts";

export type RulesSpec = {
  sku?: string;
  /** As Redis keeps them; "" takes them away. */
  rules: string;
  if_version?: number | string;
  idem?: string;
  fingerprint?: string;
  deadline?: number | string;
};

export function rulesRequest(spec: RulesSpec): Request {
  const { sku = "phone", rules, if_version = "", deadline = FOREVER } = spec;
  const { idem = randomUUID(), fingerprint = "rules-1" } = spec;
  const args = [
    deadline,
    randomUUID(),
    "request-3",
    fingerprint,
    "operator",
    sku,
    if_version,
    rules,
  ];
  return { keys: [keys.idem("rules", idem)], args: args.map(String) };
}

export type BaseSpec = {
  place?: number | string;
  sku?: string;
  user_id?: string;
  units?: number | string;
  active?: number | string;
};

export function basesRequest({
  bases = [{}],
  deadline = FOREVER,
}: {
  bases?: BaseSpec[];
  deadline?: number | string;
}): Request {
  const words = bases.flatMap(
    ({ place = 1, sku = "phone", user_id = "user-1", units = 2, active = 1 }) => [
      ...[place, sku, user_id, units, active],
    ],
  );
  return { keys: [], args: [deadline, bases.length, ...words].map(String) };
}
