import { expect } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import type { Pool } from "../../src/postgres/client.ts";
import { requestReplay } from "../../src/postgres/dead-letters.ts";
import type { openRecorder } from "./parts.ts";
import type { Shop } from "./shop.ts";

type Recorder = Awaited<ReturnType<typeof openRecorder>>;

/** Makes dead letters of holds of a dozen units, which a database can be made to refuse, and mended. */
export function deadDozens(pool: Pool) {
  const refuse = () =>
    pool.query("alter table hold_lines add constraint no_dozens check (quantity <> 12)");
  const allow = () => pool.query("alter table hold_lines drop constraint if exists no_dozens");

  /** Reserves single units and dozens in turn, and records what it can. Returns the dead ones' ids. */
  async function bury(count: number, shop: Shop, recorder: Recorder): Promise<string[]> {
    await refuse();
    for (let i = 0; i < count; i += 1) {
      await shop.reserve("tea");
      await shop.reserve("tea", { quantity: 12 });
    }
    await shop.reserve("tea");
    await recorder.drain();
    return (await letters()).map(({ entry_id }) => entry_id);
  }

  type Letter = { entry_id: string; attempts: number; error: string; requested: boolean };
  async function letters(): Promise<Letter[]> {
    const { rows } = await pool.query<Letter>(
      `select entry_id, attempts, error, replay_requested_at is not null as requested
       from dead_events order by dead_id`,
    );
    return rows;
  }

  const request = (message_ids: string[] | null = null) =>
    requestReplay(pool, message_ids, { who: "ada", request_id: "r" });

  /** Runs the recorder until it has tried everything that was asked for. */
  const replayAll = (recorder: Recorder) =>
    until("nothing is asked for any more", async () => {
      await recorder.runOnce();
      return (await letters()).some(({ requested }) => requested) ? undefined : true;
    });

  return { refuse, allow, bury, letters, request, replayAll };
}

/** How the books differ while so many holds are dead letters. */
export const missing = (count: number) => [
  ...Array.from({ length: count }, () => expect.stringMatching(/^hold .* is not in Postgres$/)),
  `${count} events are dead`,
];
