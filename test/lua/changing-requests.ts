import { randomUUID } from "node:crypto";
import {
  type EndingSpec,
  FOREVER,
  keys,
  type LineSpec,
  lineParts,
  type Request,
} from "./script-side.ts";

type Spec = EndingSpec & { request_id?: string };
export type ExtendSpec = Spec & { ttl_ms?: number | string };
export type ChangeSpec = Spec & { wanted: LineSpec[]; if_version?: number | string };

function parts(spec: Spec, route: "extend" | "change") {
  const { hold_id, lines, deadline = FOREVER, event_id = randomUUID() } = spec;
  const { request_id = "request-4", idem = randomUUID(), fingerprint = "changing-1" } = spec;
  const named = lineParts(lines);
  return {
    keys: [keys.hold(hold_id), keys.idem(route, idem), ...named.keys],
    args: [String(deadline), event_id, request_id, hold_id, fingerprint, ...named.args],
  };
}

export function extendRequest({ ttl_ms = 120_000, ...spec }: ExtendSpec): Request {
  const common = parts(spec, "extend");
  return { keys: common.keys, args: [...common.args, String(ttl_ms)] };
}

/** For change_holds and for reduce_holds alike. */
export function changeLinesRequest({ wanted, if_version = "", ...spec }: ChangeSpec): Request {
  const [common, named] = [parts(spec, "change"), lineParts(wanted)];
  return {
    keys: [...common.keys, ...named.keys],
    args: [...common.args, String(if_version), ...named.args],
  };
}
