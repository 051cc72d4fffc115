import type { Fetch } from "./settings.ts";

/** What came back of one try. */
export type Answered = { status: number; headers: Headers; text: string };

const BODY_BYTES_MAX = 32 * 1024 * 1024;

/**
 * One try, that ends within `timeout_ms`, its answer's body included.
 * @throws the reason of `signal` once it is aborted; else whatever was in the way of an answer
 */
export async function attempt(
  fetch: Fetch,
  url: string,
  init: RequestInit,
  timeout_ms: number,
  signal: AbortSignal | undefined,
): Promise<Answered> {
  signal?.throwIfAborted();
  // AbortSignal.any would do this, but is younger than Node 18.
  const own = new AbortController();
  const abort = () => own.abort(signal?.reason);
  const late = () => own.abort(new Error(`no answer within ${Math.round(timeout_ms)} ms`));
  const timer = setTimeout(late, timeout_ms);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    // A redirect would make a GET of a POST, or send it to somebody else.
    const response = await fetch(url, { ...init, redirect: "error", signal: own.signal });
    const text = await readText(response);
    return { status: response.status, headers: response.headers, text };
  } catch (error) {
    throw own.signal.aborted ? own.signal.reason : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

async function readText(response: Response): Promise<string> {
  if (!response.body) return "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let bytes = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.byteLength;
    if (bytes > BODY_BYTES_MAX) {
      await reader.cancel();
      throw new Error(`the answer has more than ${BODY_BYTES_MAX} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}
