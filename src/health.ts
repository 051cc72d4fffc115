import type { IncomingMessage, ServerResponse } from "node:http";
import { registry } from "./metrics.ts";
import { within } from "./within.ts";

/** Resolves when the part is there; rejects with a sentence that says what is missing. */
export type Check = () => Promise<void>;

const CHECK_MS_MAX = 1_000;

/**
 * The three addresses both processes have. /health is about this process only: were it to depend on Redis or
 * Postgres, their outage would get healthy processes restarted. /ready names all that is missing. /metrics
 * is what `readMetrics` has.
 */
export function createHealth(
  checks: Record<string, Check>,
  readMetrics: () => Promise<string> = () => registry.metrics(),
) {
  return async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const path = req.url?.split("?")[0];
    if (path === "/health") return sendJson(res, 200, { status: "up" });
    if (path === "/ready") {
      const missing = await findMissing(checks);
      const ready = Object.keys(missing).length === 0;
      return sendJson(
        res,
        ready ? 200 : 503,
        ready ? { status: "ready" } : { status: "not ready", missing },
      );
    }
    if (path === "/metrics") {
      const metrics = await readMetrics();
      res.writeHead(200, { "Content-Type": registry.contentType });
      res.end(metrics);
      return;
    }
    sendJson(res, 404, { status: "there are /health, /ready and /metrics" });
  };
}

/** How far Postgres is behind Redis, read from both. */
export async function readLag(sides: {
  lastSeq: () => Promise<number>;
  readProgress: () => Promise<{ applied_seq: number; applied_entry_id: string }>;
  oldestAfter: (entry_id: string) => Promise<number | null>;
  now: () => Promise<number>;
}): Promise<{ events: number; seconds: number }> {
  const [{ applied_seq, applied_entry_id }, last_seq] = await Promise.all([
    sides.readProgress(),
    sides.lastSeq(),
  ]);
  const events = Math.max(0, last_seq - applied_seq);
  if (events === 0) return { events, seconds: 0 };
  const [oldest, now] = await Promise.all([sides.oldestAfter(applied_entry_id), sides.now()]);
  return { events, seconds: oldest === null ? 0 : Math.max(0, (now - oldest) / 1000) };
}

async function findMissing(checks: Record<string, Check>): Promise<Record<string, string>> {
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      try {
        await within(CHECK_MS_MAX, check());
        return [];
      } catch (error) {
        return [[name, error instanceof Error ? error.message : String(error)] as const];
      }
    }),
  );
  return Object.fromEntries(results.flat());
}

function sendJson(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { "Content-Type": "application/json" });
  res.end(`${JSON.stringify(body)}\n`);
}
