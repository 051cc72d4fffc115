import { pino } from "pino";
import { spanFields } from "./tracing.ts";

export type Log = ReturnType<typeof createLog>;

/**
 * JSON lines on stdout; on a terminal, in development, the same made readable. Error means that somebody
 * must act. Never log a body, a token or script arguments: ioredis hangs the latter on its errors, so the
 * error serializer takes only what is safe.
 */
export function createLog(name: "api" | "worker", level: string) {
  return pino({
    name,
    level,
    base: { name, pid: process.pid },
    mixin: spanFields,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: safeError },
    ...(process.stdout.isTTY && prettyAvailable() ? { transport: { target: "pino-pretty" } } : {}),
  });
}

function safeError(err: unknown) {
  if (!(err instanceof Error)) return { message: String(err) };
  const { name, message, stack } = err;
  const code = "code" in err ? String(err.code) : undefined;
  const cause = err.cause instanceof Error ? err.cause.message : undefined;
  return { name, message, code, cause, stack };
}

// It is a development dependency: an image without it logs JSON on a terminal too.
function prettyAvailable(): boolean {
  try {
    import.meta.resolve("pino-pretty");
    return true;
  } catch {
    return false;
  }
}
