import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { z } from "zod";

const attributes = z
  .array(z.object({ key: z.string(), value: z.record(z.string(), z.unknown()) }))
  .default([])
  .transform((list) =>
    Object.fromEntries(list.map(({ key, value }) => [key, Object.values(value)[0]])),
  );
const span = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: z.number(),
  attributes,
  links: z.array(z.object({ traceId: z.string(), spanId: z.string() })).default([]),
});
const parcel = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes }),
      scopeSpans: z.array(z.object({ spans: z.array(span) })),
    }),
  ),
});

export type Received = z.infer<typeof span> & { service: unknown };

/** Takes spans by OTLP over HTTP as JSON, as a collector does. Told to hang, it answers nobody any more. */
export async function startCollector() {
  const spans: Received[] = [];
  const asked: ServerResponse[] = [];
  let text = "";
  let hangs = false;

  const server = createServer(async (req, res) => {
    asked.push(res);
    if (hangs) return;
    const body: unknown = await json(req);
    text += JSON.stringify(body);
    for (const { resource, scopeSpans } of parcel.parse(body).resourceSpans) {
      const service = resource.attributes["service.name"];
      for (const { spans: some } of scopeSpans) {
        spans.push(...some.map((one) => ({ ...one, service })));
      }
    }
    res.writeHead(200, { "Content-Type": "application/json" }).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it listens on a port, not on a pipe

  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    /** All that has come, as it came. */
    text: () => text,
    /** How many parcels were sent. */
    parcels: () => asked.length,
    hang: () => {
      hangs = true;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
