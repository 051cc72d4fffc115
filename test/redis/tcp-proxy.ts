import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

type Pair = { client: Socket; server: Socket; dead: boolean };

/** A TCP proxy before a server, to do to its connections what networks do. */
export async function startProxy(port_behind: number) {
  let target_port = port_behind;
  const pairs = new Set<Pair>();
  let drop_replies = false;
  let dropReplyTo: string | undefined;
  let refusing = false;
  let parted = false;
  let rewriteReply = (text: string) => text;

  const listener = createServer((client) => {
    if (refusing) {
      client.destroy();
      return;
    }
    const server = connect({ host: "127.0.0.1", port: target_port });
    const pair = { client, server, dead: parted };
    pairs.add(pair);
    client.on("data", (bytes) => {
      if (pair.dead) return;
      if (dropReplyTo !== undefined && bytes.includes(dropReplyTo)) drop_replies = true;
      server.write(bytes);
    });
    server.on("data", (bytes) => {
      if (pair.dead || drop_replies) return;
      client.write(Buffer.from(rewriteReply(bytes.toString("latin1")), "latin1"));
    });
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on("error", end).on("close", end);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo; // it listens on a port, not on a pipe

  function cut() {
    for (const { client } of pairs) client.destroy();
  }

  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    cut,
    /** Requests arrive, replies are lost. */
    dropReplies() {
      drop_replies = true;
    },
    /** The same from the first request on that contains `text`. */
    dropRepliesFrom(text: string) {
      dropReplyTo = text;
    },
    /** Connections that are open now stay open and carry nothing any more, in neither direction. */
    blackhole() {
      for (const pair of pairs) pair.dead = true;
    },
    /** The same, and whoever connects meanwhile gets such a connection, too. */
    part() {
      parted = true;
      for (const pair of pairs) pair.dead = true;
    },
    /** Nobody is connected and nobody gets a connection. */
    refuse() {
      refusing = true;
      cut();
    },
    /** Ends all connections; the next ones go to another server. */
    aim(at_port: number) {
      target_port = at_port;
      cut();
    },
    rewriteReplies(rewrite: (text: string) => string) {
      rewriteReply = rewrite;
    },
    /** Lets everything through again, on connections that are not dead. */
    pass() {
      drop_replies = false;
      dropReplyTo = undefined;
      refusing = false;
      parted = false;
      rewriteReply = (text) => text;
    },
    async close() {
      cut();
      listener.close();
      await once(listener, "close");
    },
  };
}

export type TcpProxy = Awaited<ReturnType<typeof startProxy>>;
