import type { Mutant } from "../mutant.ts";

/** What knowing callers has to do with the promises. */
export const ACCESS: Mutant[] = [
  {
    name: "keys-forgotten-without-postgres",
    breaks: "nobody is known any more while Postgres is away, and the sale stops",
    promise: "G12",
    file: "src/http/access/known-keys.ts",
    text: "      is_away = true;",
    instead: "      known = null;\n      is_away = true;",
    tests: ["test/main/access.test.ts"],
  },
  {
    name: "one-scope-for-all-callers",
    breaks: "who uses another caller's idempotency key gets that one's answer",
    promise: "G3",
    file: "src/http/access/caller.ts",
    text: 'key === "" ? "" : scope + key',
    instead: "scope === undefined ? scope : key",
    tests: ["test/http/access/owner.test.ts"],
  },
  {
    name: "gives-what-it-lacks",
    breaks: "an operator makes himself a key with roles that he does not have",
    promise: "G1",
    file: "src/domain/roles.ts",
    text: "own.includes(role) || (role",
    instead: "own.length > 0 || (role",
    tests: ["test/http/v1/keys.test.ts"],
  },
  {
    name: "nobody-did-it",
    breaks: "a change of stock is written down as the API's, and not as its caller's",
    promise: "G7",
    file: "src/http/app.ts",
    text: "context.caller.name || undefined",
    instead: "undefined",
    tests: ["test/http/v1/audit-log.test.ts"],
  },
];
