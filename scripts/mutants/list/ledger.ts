import type { Mutant } from "../mutant.ts";

const ONCE = ["test/postgres/once.test.ts"];

/** What the API writes to Postgres alone, and products, which are in both stores. */
export const LEDGER: Mutant[] = [
  {
    name: "record-outside-transaction",
    breaks: "a key is used up by a write that failed",
    promise: "G3",
    file: "src/postgres/once.ts",
    text: "if (!(await claim(transaction, call))) {",
    instead: "if (!(await claim(pool, call))) {",
    tests: ONCE,
  },
  {
    name: "ledger-fingerprint",
    breaks: "another write under a used key is answered as the first one was",
    promise: "G4",
    file: "src/postgres/once.ts",
    text: "if (record.fingerprint === fingerprint) return record.result;",
    instead: "if (record.fingerprint !== null) return record.result;",
    tests: ONCE,
  },
  {
    name: "lost-commit-is-a-no",
    breaks: "a write whose commit was sent is said to be not done",
    promise: "G10",
    file: "src/postgres/transaction.ts",
    text: 'throw new OutcomeUnknown("The answer to a commit was lost.", { cause });',
    instead: "throw cause;",
    tests: ONCE,
  },
  {
    name: "half-done-is-503",
    breaks: "a product that was made is said to be not made, because its stock is still to come",
    promise: "G10",
    file: "src/http/ledger-call.ts",
    text: 'throw new OutcomeUnknown("Postgres has its part, and Redis not yet.", { cause });',
    instead: "throw cause;",
    tests: ["test/http/v1/products-outage.test.ts"],
  },
  {
    name: "silent-postgres-is-a-no",
    breaks: "a write that Postgres has not answered in time is said to be not done",
    promise: "G10",
    file: "src/http/ledger-call.ts",
    text: 'failure: new OutcomeUnknown("Postgres did not answer a write in time.", { cause }),',
    instead: "failure: unavailable(cause),",
    tests: ["test/http/v1/products-outage.test.ts"],
  },
  {
    name: "farewell-is-an-answer",
    breaks: "a commit whose session was ended by an operator is said to be not done",
    promise: "G10",
    file: "src/postgres/transaction.ts",
    text: 'cause instanceof pg.DatabaseError && cause.severity === "ERROR"',
    instead: "cause instanceof pg.DatabaseError",
    tests: ONCE,
  },
];
