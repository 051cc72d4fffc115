import { once } from "node:events";
import { type IncomingMessage, type OutgoingHttpHeaders, request } from "node:http";
import { until } from "../../../scripts/until.ts";
import { fresh } from "../shop.ts";

export type Result = Record<string, unknown>;

const NDJSON = { "Content-Type": "application/x-ndjson" };

/** A bulk request that is still being written while its answer is read. */
export function openBulk(url: string, headers: OutgoingHttpHeaders = {}) {
  const sent = request(`${url}/v1/stock:bulk`, {
    method: "POST",
    agent: false,
    headers: { ...NDJSON, "Idempotency-Key": fresh("key"), ...headers },
  });
  let response: IncomingMessage | undefined;
  let text = "";
  let over: "COMPLETE" | "BROKEN" | undefined;
  sent.on("response", (incoming) => {
    response = incoming;
    incoming.setEncoding("utf8");
    incoming.on("data", (part: string) => {
      text += part;
    });
    incoming.on("end", () => {
      over = "COMPLETE";
    });
  });
  // A connection that is cut is what some tests wait for.
  for (const event of ["error", "close"]) sent.on(event, () => (over ??= "BROKEN"));
  const results = () => text.split("\n").slice(0, -1).map(parseResult);

  return {
    write: (part: string | Buffer) => void sent.write(part),
    /** Says that no more will come. */
    end: () => void sent.end(),
    /** Goes away without a word. */
    destroy: () => sent.destroy(),
    results,
    status: () => response?.statusCode,
    /** Reads nothing from now on, or goes on reading. */
    pause: () => sent.once("response", (incoming) => incoming.pause()),
    resume: () => response?.resume(),
    /** Waits until everything that was written has left. */
    flushed: () => (sent.writableNeedDrain ? once(sent, "drain") : Promise.resolve()),
    /** Waits for so many results. */
    some: (count: number) =>
      until(`${count} results`, () => (results().length >= count ? results() : undefined)),
    /** Waits for the end of the answer. */
    all: (msMax?: number) =>
      until(
        "the answer is over",
        () => over && { over, status: response?.statusCode, results: results(), text },
        msMax,
      ),
  };
}

/** Sends a whole bulk request and reads the whole answer. */
export async function sendBulk(
  url: string,
  body: string | Buffer | object[],
  headers: Record<string, string> = {},
) {
  const lines = Array.isArray(body) ? body.map((line) => JSON.stringify(line)).join("\n") : body;
  const response = await fetch(`${url}/v1/stock:bulk`, {
    method: "POST",
    headers: { ...NDJSON, "Idempotency-Key": fresh("key"), ...headers },
    body: Buffer.from(lines),
  });
  const text = await response.text();
  const results = response.status === 202 ? text.split("\n").slice(0, -1).map(parseResult) : [];
  const problem = response.status === 202 ? {} : parseResult(text);
  return { status: response.status, headers: response.headers, text, results, body: problem };
}

const parseResult = (text: string) => JSON.parse(text) as Result; // an object, always
