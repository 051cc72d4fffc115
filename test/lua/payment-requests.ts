import {
  type EndingSpec,
  endingRequest,
  keys,
  type PartSpec,
  partArgs,
  type Request,
} from "./script-side.ts";

/** A hold as the ledger has it: text where a test wants to send what is none. */
export type RecordedSpec = {
  status: string;
  user_id?: string;
  created_at?: number | string;
  expires_at?: number | string;
  version?: number | string;
};

export type SettleSpec = EndingSpec & {
  order_id?: string | undefined;
  payment_ref?: string;
  payment_id?: string;
  /** NONE: the ledger has no such hold. Undefined: it was not asked. */
  recorded?: RecordedSpec | "NONE" | undefined;
  parts?: PartSpec[];
};

export const DEFAULT_PAYMENT = "P-0192b3a4-0000-7000-8000-000000000009";

export function settleRequest(spec: SettleSpec): Request {
  const { payment_ref = "payment-1", payment_id = DEFAULT_PAYMENT, recorded } = spec;
  const request = endingRequest(spec, "confirm", [
    ...[spec.order_id ?? "O-1", payment_ref, payment_id],
    ...recordedArgs(recorded),
    ...partArgs(spec.parts ?? []),
  ]);
  return { ...request, keys: [...request.keys, paymentKey(spec.hold_id, payment_ref)] };
}

export const paymentKey = (hold_id: string, payment_ref: string) =>
  keys.idem("payment", `${hold_id} ${payment_ref}`);

function recordedArgs(recorded: SettleSpec["recorded"]): string[] {
  if (recorded === undefined) return ["", "", "", "", ""];
  if (recorded === "NONE") return ["NONE", "", "", "", ""];
  const { status, user_id = "user-1", created_at = 1_000, expires_at = 2_000 } = recorded;
  return [status, user_id, ...[created_at, expires_at, recorded.version ?? 2].map(String)];
}
