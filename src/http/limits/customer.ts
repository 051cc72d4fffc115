import type { Owned } from "../access/owned.ts";

/**
 * How to find the customer for whom a request asks for something: what is reserved, bought or waited for
 * counts for whoever it is for, and what is only read does not.
 */
export function customerIn({
  method,
  owned,
}: {
  method: string;
  owned?: Owned;
}): (body: unknown) => string | undefined {
  if (method !== "POST" || typeof owned !== "object" || owned.kind !== "CUSTOMER") {
    return () => undefined;
  }
  const { by } = owned;
  return (body) => {
    const customer: unknown = Reflect.get(Object(body), by);
    return typeof customer === "string" ? customer : undefined;
  };
}
