import { setTimeout as sleep } from "node:timers/promises";
import { monotonicNow } from "../../src/now.ts";
import type { PartName } from "../stack-files.ts";
import type { PlannedFault } from "./fault-plan.ts";
import type { Journal } from "./journal.ts";
import { type FaultKind, kindOf } from "./kinds.ts";
import { emptyRedis, type Readmission } from "./readmission.ts";
import type { Stack } from "./stack.ts";

/** Something that was done to the system. Times are ms since 1970, as in the journal. */
export type Fault = {
  kind: FaultKind;
  struck_at: number;
  /** When the part ran again. */
  back_at: number | null;
  /** When a request was accepted that was sent after the strike. Null: none was. */
  accepted_at: number | null;
  /** Of one that loses data. */
  readmission?: Readmission | undefined;
};

/**
 * Does to the system what is planned, each fault in its time. A part that is still away is waited for, so
 * that a fault may come later than planned.
 */
export function createFaults(deps: {
  stack: Stack;
  journal: Journal;
  /** Hears of each fault once its end is known. */
  onOver: (fault: Fault) => void;
  /** When the sale is. */
  over: AbortSignal;
}) {
  const { stack, journal, onOver, over } = deps;
  const faults: Fault[] = [];
  const at_work = new Map<PartName, Promise<void>>();

  async function strikeAll(plan: PlannedFault[], opened_at: number): Promise<void> {
    const strikes = plan.map(async (planned) => {
      await sleep(Math.max(0, opened_at + planned.at_ms - monotonicNow()));
      await strikeInTurn(planned);
    });
    await Promise.all(strikes);
  }

  // One thing after the other for a part, but several parts may be away at once.
  function strikeInTurn(planned: PlannedFault): Promise<void> {
    const { part } = kindOf(planned.kind);
    const before = at_work.get(part) ?? Promise.resolve();
    const strike_done = before.then(() => strike(planned));
    at_work.set(part, strike_done);
    return strike_done;
  }

  async function strike({ kind, frozen_ms = 0 }: PlannedFault): Promise<void> {
    const { part, how } = kindOf(kind);
    await stack.untilUp(part);
    let end = () => {};
    let readmission: Readmission | undefined;
    switch (how) {
      case "KILL":
        await stack.kill(part);
        break;
      case "FREEZE":
        end = await stack.freeze(part);
        break;
      case "FORGET_SCRIPTS":
        await stack.withRedis((redis) => redis.script("FLUSH"));
        break;
      case "FLUSH":
        readmission = await emptyRedis(stack, over);
        break;
    }
    const fault = begun(kind, readmission);
    await sleep(frozen_ms);
    end();
    await stack.untilUp(part);
    fault.back_at = monotonicNow();
    if (fault.accepted_at !== null) onOver(fault);
  }

  // Only once it is done: what was accepted a moment before is no sign of recovery.
  function begun(kind: FaultKind, readmission: Readmission | undefined): Fault {
    const struck_at = monotonicNow();
    const fault: Fault = { kind, struck_at, back_at: null, accepted_at: null, readmission };
    faults.push(fault);
    void journal.firstAcceptedAfter(struck_at).then((at) => {
      fault.accepted_at = at;
      if (fault.back_at !== null) onOver(fault);
    });
    return fault;
  }

  return { faults, strikeAll };
}
