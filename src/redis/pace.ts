import { monotonicNow } from "../now.ts";

/** A stall is no pace: the next calls tell what it is. */
const SAMPLE_MS_MAX = 100;
/** What the newest call counts: some twenty calls are what is known. */
const NEWEST = 0.1;

/** How fast requests are carried out while there are more of them than one call takes. */
export function createPace() {
  let ms_per_request: number | undefined;
  let busy_since: number | null = null;

  /**
   * Learns from a call that was answered.
   * @param call.full it had as many requests as it could take; smaller ones would seem to be slow
   * @param call.busy requests are left: until the next answer no time is idle
   */
  function learn(requests: number, { full, busy }: { full: boolean; busy: boolean }) {
    const now = monotonicNow();
    if (busy_since !== null && full) {
      const sample = Math.min(now - busy_since, SAMPLE_MS_MAX) / requests;
      ms_per_request = sample + ((ms_per_request ?? sample) - sample) * (1 - NEWEST);
    }
    busy_since = busy ? now : null;
  }

  /** 0 as long as nothing is known. */
  return { learn, msPerRequest: () => ms_per_request ?? 0 };
}
