import type { Calls, Client } from "../../src/client/client.ts";

type Audit = Calls["GET /v1/audit"]["answer"];
export type Drift = Audit["items"][number];

const PAGE = 50;
const PAGES_MAX = 200;

/** What the audit has open, alarms first, and how much of it there is. */
export type OpenAudit = Audit & {
  open: {
    alarms: number;
    warnings: number;
    /** Whether all of it was looked through: what wasn't may be an alarm. */
    whole: boolean;
  };
};

/**
 * Looks through all pages, the oldest first, as an alarm may be on the last one. Begins no other one once
 * `timeout_ms` are over.
 * @param shown as many are kept
 */
export async function readAudit(
  { operation }: Client,
  { sku, shown }: { sku?: string | undefined; shown: number },
  { timeout_ms, tries }: { timeout_ms: number; tries?: number },
): Promise<OpenAudit> {
  const until = performance.now() + timeout_ms;
  const ask = (cursor?: string) =>
    operation.audit({ sku, limit: PAGE, cursor }, { timeoutMs: timeout_ms, tries });
  const first = await ask();
  const alarms: Drift[] = [];
  const warnings: Drift[] = [];
  const open = { alarms: 0, warnings: 0, whole: false };
  let page: Audit | null = first;
  for (let pages = 1; page !== null; pages += 1) {
    for (const drift of page.items) {
      open[drift.alarm ? "alarms" : "warnings"] += 1;
      const kept = drift.alarm ? alarms : warnings;
      if (kept.length < shown) kept.push(drift);
    }
    const { nextCursor }: Audit = page;
    open.whole = nextCursor === null;
    if (nextCursor === null || pages === PAGES_MAX || performance.now() > until) break;
    page = await ask(nextCursor).catch((error: unknown) => {
      if (open.alarms === 0) throw error;
      return null;
    });
  }
  return { ...first, items: [...alarms, ...warnings].slice(0, shown), nextCursor: null, open };
}
