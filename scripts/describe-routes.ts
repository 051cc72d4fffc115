import type { RouteDeps } from "../src/http/deps.ts";
import { createRoutes } from "../src/http/routes.ts";

/** The API's routes, to read how they are described. They can't be served. */
export const describeRoutes = () => createRoutes(absentDeps());

/**
 * Stands in for Redis, Postgres and all the rest where routes are made but not served: making one calls
 * nothing of what it stands on. Whoever does call it gets an error.
 */
export function absentDeps(): RouteDeps {
  const deps = {
    inventory: absent("inventory"),
    stock: absent("stock"),
    rules: absent("rules"),
    releases: absent("releases"),
    low_stock_units: 0,
    waiting: absent("waiting"),
    stores: absent("stores"),
    records: absent("records"),
    ledger: absent("ledger"),
    pool: absent("pool"),
    log: absent("log"),
    access: null,
    readLag: refuse("readLag"),
    lastSeq: refuse("lastSeq"),
    untilRecorded: refuse("untilRecorded"),
    isAdmitted: refuse("isAdmitted"),
    health: refuse("health"),
    default_store: "main",
    request_budget_ms: 0,
  } satisfies { [dep in keyof RouteDeps]: unknown };
  return deps as unknown as RouteDeps; // of any type, since nobody gets anything out of it
}

const absent = (dep: string) =>
  new Proxy({}, { get: (_, name) => refuse(`${dep}.${String(name)}`) });

function refuse(name: string) {
  return () => {
    throw new Error(`${name} is not there: these routes are only described.`);
  };
}
