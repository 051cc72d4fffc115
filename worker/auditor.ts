import { ALL_DRIFT_KINDS, isAlarm, judge } from "../src/domain/audit.ts";
import { stockOf } from "../src/domain/batch-plan.ts";
import type { Log } from "../src/log.ts";
import { monotonicNow } from "../src/now.ts";
import type { Finding } from "../src/postgres/audit-findings.ts";
import type { LedgerLook, StockName } from "../src/postgres/audit-rows.ts";
import type { Audit } from "../src/postgres/auditing.ts";
import type { SeenStocks } from "../src/redis/audit-reader.ts";
import type { SaleAuditReader } from "../src/redis/sale-audit-reader.ts";
import { isSameAdmission, isUpToDate } from "./audit-moment.ts";
import type { DriftStops } from "./drift-stops.ts";
import type { Agent } from "./loop.ts";
import { auditDrift, auditRoundAge, auditStocks } from "./metrics.ts";
import { createSaleAudit } from "./sale-audit.ts";

/** Stocks that are looked at in one turn. */
const SLICE_MAX = 500;
/** How much of a core the audit may take, all three processes together. */
const SHARE = 0.05;
const REST_MS_MIN = 100;
/**
 * What half a look at a stock may cost, in ms of CPU: twice what it does on a slow machine. What takes longer
 * than that has waited, and a busy machine must not let it rest for ever.
 */
const STOCK_MS_MAX = 0.06;
const MOVEMENT_MS_MAX = 0.002;
/** The same of both sides of what limits a sale: a customer's holds are looked up one by one. */
const SALE_MS_MAX = 0.5;
const TURN_MS_MAX = 10;
/** A round of few stocks is soon over; the next one need not begin at once. */
const ROUND_EVERY_MS = 1_000;
/** How often those of which a drift is told are looked at again, and stops are put right. */
const OPEN_EVERY_MS = 2_000;
const STANDBY_MS = 5_000;
const IDLE_MS = 25;

/** The ledger before Redis was asked. */
type Before = Awaited<ReturnType<Audit["newest"]>>;
type Slice = { stocks: StockName[]; round: "NO" | "NEXT" | "LAST" };
type Waiting = Slice & SeenStocks & Before;

/**
 * Goes round all stocks, and compares what Redis has of each with what its movements add up to, and these
 * with its level. Stocks that have just moved come in between. Redis is asked, then the ledger, once it has
 * recorded what Redis had; movements have the stock's version, so one that never rests can be compared too.
 * A disagreement is told when a second look finds it again. Nothing is ever put right by itself. Every other
 * turn is that of what limits sales (worker/sale-audit.ts), if there is something to look at.
 *
 * @param openAudit becomes the one that audits; null while another does
 * @param readStocks asks Redis; null while it is not admitted
 * @param sales asks Redis for what limits them
 * @param share of a core, from above 0 to 1: it rests in proportion to what a turn took
 */
export function createAuditor({
  openAudit,
  readStocks,
  sales: reader,
  keepStops,
  share = SHARE,
  rest_ms_min = REST_MS_MIN,
  round_every_ms = ROUND_EVERY_MS,
  open_every_ms = OPEN_EVERY_MS,
  log,
}: {
  openAudit: () => Promise<Audit | null>;
  readStocks: (stocks: StockName[]) => Promise<SeenStocks | null>;
  sales: SaleAuditReader;
  keepStops: DriftStops;
  share?: number;
  rest_ms_min?: number;
  round_every_ms?: number;
  open_every_ms?: number;
  log: Log;
}): Agent & { close: () => Promise<void> } {
  let audit: Audit | null = null;
  let waiting: Waiting | null = null;
  const queues = {
    /** What has to be looked at a second time, or has not been added up to its end. */
    AGAIN: [] as StockName[],
    /** What has just moved. */
    MOVED: [] as StockName[],
    /** What is told to drift. */
    OPEN: [] as StockName[],
  };
  const turns = ["AGAIN", "ROUND", "MOVED", "OPEN"] as const;
  let next_turn = 0;
  const sales = createSaleAudit({ reader, round_every_ms, open_every_ms, log });
  let are_sales_next = false;
  /** Disagreements that were found once, by stock. */
  const suspected = new Map<string, Finding["kind"]>();
  /** What the turn has done is worth so much CPU at most. */
  let worth_ms = 0;
  let [rest_until, next_round_at, next_open_at] = [0, 0, 0];

  async function runOnce(): Promise<number> {
    const began_at = monotonicNow();
    if (began_at < rest_until) return 0;
    let rest_ms = rest_ms_min;
    worth_ms = TURN_MS_MAX;
    try {
      audit ??= await openAudit();
      if (!audit) {
        rest_ms = STANDBY_MS;
        return 0;
      }
      are_sales_next = !are_sales_next;
      return (are_sales_next && (await saleTurn(audit))) || (await turn(audit));
    } catch (error) {
      await close();
      throw error;
    } finally {
      const now = monotonicNow();
      const work_ms = Math.min(now - began_at, worth_ms);
      rest_until = now + Math.max(rest_ms, (work_ms * (1 - share)) / share);
    }
  }

  async function saleTurn(by: Audit): Promise<number> {
    const { looked, has_changed } = await sales.turn(by);
    worth_ms += looked * SALE_MS_MAX;
    if (has_changed) await readOpen(by);
    return looked;
  }

  async function turn(by: Audit): Promise<number> {
    if (monotonicNow() >= next_open_at) await readOpen(by);
    waiting ??= await lookAtRedis(by);
    if (!waiting) return 0;
    const { seq, newest_id, generation, counts, round } = waiting;
    const stocks = waiting.stocks.map((of, i) => ({ ...of, redis: counts[i] ?? null }));
    worth_ms += stocks.length * STOCK_MS_MAX;
    const seen = await by.look(stocks, { seq, newest_id });
    if (!seen) return 0; // not all of it is recorded
    waiting = null;
    if (stocks.length > 0 && !isSameAdmission(seen.moment, generation)) {
      forget();
      return 0;
    }
    await settle(by, seen.looks, round);
    return stocks.length;
  }

  async function lookAtRedis(by: Audit): Promise<Waiting | null> {
    const before = await by.newest();
    const slice = await nextSlice(by, before.newest_id);
    if (!slice) return null;
    worth_ms += slice.stocks.length * STOCK_MS_MAX;
    const seen = await readStocks(slice.stocks);
    if (seen && isUpToDate(seen, before)) return { ...slice, ...seen, ...before };
    forget();
    return null;
  }

  // Nobody keeps the others waiting for ever, however much there is to look at again.
  async function nextSlice(by: Audit, newest_id: number): Promise<Slice | null> {
    for (let tries = 0; tries < turns.length; tries += 1) {
      const turn = turns[next_turn] ?? "ROUND";
      next_turn = (next_turn + 1) % turns.length;
      if (turn === "ROUND") {
        if (monotonicNow() >= next_round_at) return nextOfRound(by);
        continue;
      }
      if (turn === "MOVED" && queues.MOVED.length === 0) queues.MOVED = await by.moved(newest_id);
      const stocks = queues[turn].splice(0, SLICE_MAX);
      if (stocks.length > 0) return { stocks, round: "NO" };
    }
    return null;
  }

  async function nextOfRound(by: Audit): Promise<Slice> {
    const stocks = await by.nextOfRound(SLICE_MAX);
    return { stocks, round: stocks.length < SLICE_MAX ? "LAST" : "NEXT" };
  }

  async function settle(by: Audit, looks: LedgerLook[], round: Slice["round"]): Promise<void> {
    worth_ms += looks.reduce((sum, of) => sum + of.movements, 0) * MOVEMENT_MS_MAX;
    const findings: Finding[] = [];
    const fine: StockName[] = [];
    for (const look of looks) {
      const verdict = look.is_behind ? "UNKNOWN" : judge(look);
      const stock = stockOf(look);
      const suspicion = suspected.get(stock);
      suspected.delete(stock);
      if (look.is_behind) queues.AGAIN.push(look);
      else if (verdict === "FINE") fine.push(look);
      else if (verdict !== "UNKNOWN") {
        const { sku, store_id, open_kind } = look;
        if (verdict.kind === suspicion || verdict.kind === open_kind) {
          findings.push({ sku, store_id, ...verdict });
        } else {
          suspected.set(stock, verdict.kind);
          queues.AGAIN.push(look);
        }
      }
    }
    const told = await by.settle({ looks, findings, fine, round });
    auditStocks.inc(looks.length);
    if (round === "LAST") next_round_at = monotonicNow() + round_every_ms;
    for (const finding of told) tell(finding);
    const has_changed = told.length > 0 || looks.some((of) => of.open_kind && fine.includes(of));
    if (has_changed) await readOpen(by);
  }

  // Not under the name `level`, which is the line's own.
  function tell({ kind, sku, store_id, ledger, level: stock_level, redis }: Finding) {
    const said = { kind, sku, store_id, ledger, stock_level, redis };
    if (isAlarm(kind)) log.error(said, "a stock drifts");
    else log.warn(said, "a stock was changed by hand");
  }

  /** What is told at the moment: for the metrics, for another look, and for the stops. */
  async function readOpen(by: Audit): Promise<void> {
    const { counts, stocks, stopping_skus } = await by.readOpen();
    for (const kind of ALL_DRIFT_KINDS) auditDrift.set({ kind }, counts.get(kind) ?? 0);
    noteAges(await by.roundAges());
    if (queues.OPEN.length === 0) queues.OPEN = stocks;
    await keepStops(stopping_skus);
    next_open_at = monotonicNow() + open_every_ms;
  }

  // The round comes by all of them again.
  function forget() {
    waiting = null;
    for (const queue of Object.values(queues)) queue.length = 0;
    suspected.clear();
  }

  async function close() {
    const ended = audit;
    audit = null;
    forget();
    sales.forget();
    next_open_at = 0;
    for (const kind of ALL_DRIFT_KINDS) auditDrift.set({ kind }, 0);
    noteAges({ stocks: null, sales: null });
    await ended?.close().catch(() => {}); // its connection may be what failed
  }

  return { name: "auditor", idle_ms: IDLE_MS, runOnce, close };
}

function noteAges({ stocks, sales }: { stocks: number | null; sales: number | null }) {
  auditRoundAge.set({ of: "STOCKS" }, stocks ?? 0);
  auditRoundAge.set({ of: "SALES" }, sales ?? 0);
}
