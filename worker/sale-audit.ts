import { recountOf, type SaleName, saleKeyOf } from "../src/domain/sale-audit.ts";
import type { Log } from "../src/log.ts";
import { monotonicNow } from "../src/now.ts";
import type { Audit } from "../src/postgres/auditing.ts";
import type { SaleLook } from "../src/postgres/sale-auditing.ts";
import type { SaidOfSales, SaleAuditReader } from "../src/redis/sale-audit-reader.ts";
import { isSameAdmission, isUpToDate } from "./audit-moment.ts";
import { auditSales } from "./metrics.ts";

/** Names that are looked at in one turn, all of one kind. */
const SLICE_MAX = 100;
/** Where there is nothing, so many steps are taken at once. */
const STEPS_MAX = 10;
/** Those that a step through both sides may put aside for the turns behind it. */
const OPEN_MAX = 1_000;

type Before = Awaited<ReturnType<Audit["newest"]>>;
type Slice = { of: SaleName[]; ends_round: boolean };

/**
 * Compares what limits sales: their rules, what customers have, their own holds, and who waits. It goes round
 * all that either side has, and in between looks at customers who have just moved, as worker/auditor.ts
 * does with stocks. Here nothing has a version: so what differs is told only of what had no event from before
 * Redis was asked until the ledger was, and when a second look finds it again.
 */
export function createSaleAudit({
  reader,
  round_every_ms,
  open_every_ms,
  log,
}: {
  reader: SaleAuditReader;
  round_every_ms: number;
  open_every_ms: number;
  log: Log;
}) {
  let waiting: (Slice & SaidOfSales & Before) | null = null;
  let round: AsyncIterator<SaleName[]> | null = null;
  const queues = { AGAIN: [] as SaleName[], ROUND: [] as SaleName[], MOVED: [] as SaleName[] };
  const turns = ["AGAIN", "ROUND", "MOVED", "OPEN"] as const;
  let [next_turn, moved_id, next_round_at, next_open_at] = [0, 0, 0, 0];
  /** What differed once. */
  const suspected = new Set<string>();

  /** Does one bounded step. Returns how many it has looked at, and whether what is told has changed. */
  async function turn(by: Audit): Promise<{ looked: number; has_changed: boolean }> {
    const nothing = { looked: 0, has_changed: false };
    waiting ??= await lookAtRedis(by);
    if (!waiting) return nothing;
    const { of, ends_round, generation } = waiting;
    const [first] = of;
    const seen = first && (await by.sales.look(first.kind, of, waiting));
    if (seen === null) return nothing; // not all of it is recorded
    waiting = null;
    if (seen && !isSameAdmission(seen.moment, generation)) {
      forget();
      return nothing;
    }
    return settle(by, seen?.looks ?? [], { ends_round, generation });
  }

  async function lookAtRedis(by: Audit): Promise<(Slice & SaidOfSales & Before) | null> {
    const before = await by.newest();
    const slice = await nextSlice(by, before.newest_id);
    if (!slice) return null;
    const [first] = slice.of;
    const nobody = { seq: 0, redis_generation: 0, place: 0, said: [] };
    if (!first) return { ...slice, ...nobody, ...before };
    const seen = await reader.read(first.kind, slice.of);
    if (seen && isUpToDate(seen, before)) return { ...slice, ...seen, ...before };
    forget();
    return null;
  }

  async function nextSlice(by: Audit, newest_id: number): Promise<Slice | null> {
    for (let tries = 0; tries < turns.length; tries += 1) {
      const turn = turns[next_turn] ?? "ROUND";
      next_turn = (next_turn + 1) % turns.length;
      if (turn === "MOVED" && queues.MOVED.length === 0) {
        queues.MOVED = await by.sales.moved(moved_id, newest_id);
        moved_id = newest_id;
      }
      if (turn === "OPEN" && monotonicNow() >= next_open_at) {
        const room = Math.max(0, OPEN_MAX - queues.AGAIN.length);
        queues.AGAIN.push(...(await by.sales.readOpen(room)));
        next_open_at = monotonicNow() + open_every_ms;
      }
      if (turn === "ROUND" && queues.ROUND.length === 0) {
        if (monotonicNow() < next_round_at) continue;
        if (await stepRound(by)) return { of: [], ends_round: true };
      }
      const of = sliceOf(queues[turn === "OPEN" ? "AGAIN" : turn]);
      if (of.length > 0) return { of, ends_round: false };
    }
    return null;
  }

  /** True when the round is over. A new one begins with the next step. */
  async function stepRound(by: Audit): Promise<boolean> {
    round ??= both(reader.names(), by.sales.names());
    for (let steps = 0; steps < STEPS_MAX; steps += 1) {
      const { value, done } = await round.next();
      if (done) break;
      queues.ROUND = value;
      if (value.length > 0 || steps === STEPS_MAX - 1) return false;
    }
    round = null;
    next_round_at = monotonicNow() + round_every_ms;
    return true;
  }

  async function settle(
    by: Audit,
    looks: SaleLook[],
    done: { ends_round: boolean; generation: number },
  ) {
    const findings: (SaleLook & { ledger: string | null })[] = [];
    const fine: SaleLook[] = [];
    for (const look of looks) {
      const { redis, ledger } = look;
      const key = saleKeyOf(look);
      const was_suspected = suspected.delete(key);
      if (ledger === undefined) continue;
      if (redis === ledger) {
        if (look.is_told) fine.push(look);
      } else if (was_suspected || look.is_told) {
        findings.push({ ...look, ledger });
      } else if (suspected.size < OPEN_MAX) {
        suspected.add(key);
        queues.AGAIN.push(look);
      }
    }
    const recounts = findings.filter((of) => of.recount && recountOf(of));
    const told = await by.sales.settle({ findings, fine, recounts, ...done });
    auditSales.inc(looks.length);
    for (const { kind, sku, store_id, user_id, waiter_id, ledger, redis } of told) {
      const about = { kind, sku, store_id, user_id, waiter_id };
      log.error({ ...about, ledger, redis }, "what limits a sale drifts");
    }
    for (const { sku, user_id, ledger, redis } of recounts) {
      log.warn({ sku, user_id, ledger, redis }, "the count of a customer is put right");
    }
    return { looked: looks.length, has_changed: told.length > 0 || fine.length > 0 };
  }

  // The round comes by all of them again.
  function forget() {
    waiting = null;
    round = null;
    for (const queue of Object.values(queues)) queue.length = 0;
    suspected.clear();
  }

  return { turn, forget };
}

/** Takes names from the front, as far as they are of one kind, each once. */
function sliceOf(queue: SaleName[]): SaleName[] {
  const [first] = queue;
  const other = queue.findIndex(({ kind }) => kind !== first?.kind);
  const of = queue.splice(0, Math.min(SLICE_MAX, other < 0 ? queue.length : other));
  return [...new Map(of.map((name) => [saleKeyOf(name), name])).values()];
}

async function* both(
  here: AsyncIterable<SaleName[]>,
  there: AsyncIterable<SaleName[]>,
): AsyncGenerator<SaleName[]> {
  yield* here;
  yield* there;
}
