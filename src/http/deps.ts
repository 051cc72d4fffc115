import type { Log } from "../log.ts";
import type { Pool } from "../postgres/client.ts";
import type { Ledger } from "../postgres/ledger.ts";
import type { Records } from "../redis/idempotency.ts";
import type { Inventory } from "../redis/inventory.ts";
import type { Releases } from "../redis/releases.ts";
import type { Rules } from "../redis/rules.ts";
import type { Stock } from "../redis/stock.ts";
import type { Stores } from "../redis/stores.ts";
import type { Waiting } from "../redis/waiting.ts";
import type { Access } from "./access/access.ts";
import type { LagReader } from "./lag.ts";
import type { Handler } from "./route.ts";

/** What the routes stand on. */
export type RouteDeps = {
  inventory: Inventory;
  stock: Stock;
  rules: Rules;
  waiting: Waiting;
  stores: Stores;
  records: Records;
  ledger: Ledger;
  /** For what is written to Postgres alone, and for lists. */
  pool: Pool;
  /** How far the ledger is behind. */
  readLag: LagReader;
  /** The seq of the newest event, as Redis has it. */
  lastSeq: () => Promise<number>;
  /** Whether everything decided until now is recorded, within `ms`. */
  untilRecorded: (ms: number) => Promise<boolean>;
  /** Whether Redis is open for decisions. */
  isAdmitted: () => Promise<boolean>;
  /** When units that are held may come back. */
  releases: Releases;
  /** Up to so many available units are few. */
  low_stock_units: number;
  /** Who may call. */
  access: Access;
  log: Log;
  default_store: string;
  /** How long a caller waits for an answer at most. */
  request_budget_ms: number;
  /** Answers /health, /ready and /metrics. */
  health: Handler;
};
