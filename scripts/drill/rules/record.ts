import { count, type Evidence, type Finding, reportedLost, whole } from "../evidence.ts";

/** Postgres remembers what Redis decided: all of it, once, and the same. */
export function recordFindings(evidence: Evidence): Finding[] {
  return [
    recorded(evidence),
    recordedTwice(evidence),
    stocksAlike(evidence),
    holdsAlike(evidence),
    historyAddsUp(evidence),
    ordersFit(evidence),
    gaps(evidence),
  ];
}

function recorded(evidence: Evidence): Finding {
  const { redis, postgres } = evidence.books;
  const seqs = new Set(postgres.events.map(({ seq }) => seq));
  const missing = redis.seq - seqs.size - reportedLost(evidence);
  const wrong = [
    missing > 0 ? [`${missing} of ${redis.seq} events are not in Postgres`] : [],
    missing < 0 ? [`Redis counts ${redis.seq} events, Postgres has ${seqs.size}`] : [],
    redis.unrecorded > 0 ? [`${redis.unrecorded} events still wait to be recorded`] : [],
    postgres.dead_letters > 0 ? [`${postgres.dead_letters} events could not be recorded`] : [],
  ].flat();
  return {
    promise: "G7",
    says: "events that Redis decided and Postgres recorded",
    figure: `${whole(seqs.size)} of ${whole(redis.seq)} events`,
    verdict: wrong.length > 0 ? "BROKEN" : "kept",
    wrong,
  };
}

function recordedTwice({ books }: Evidence): Finding {
  const { events } = books.postgres;
  const by_seq = Map.groupBy(events, ({ seq }) => seq);
  const wrong = [...by_seq].flatMap(([seq, all]) =>
    all.length > 1 ? [`event ${seq} was recorded ${all.length} times`] : [],
  );
  const of = { number: events.length, what: "events" };
  return count("G7", "events that were recorded twice", wrong, of);
}

function stocksAlike({ books }: Evidence): Finding {
  const { redis, postgres } = books;
  const skus = new Set([...books.stocked.keys(), ...postgres.stocks.keys()]);
  const wrong = [...skus].flatMap((sku) => {
    const [here, there] = [redis.stocks.get(sku), postgres.stocks.get(sku)].map((stock) =>
      stock
        ? `${stock.available} available, ${stock.held} held, version ${stock.version}`
        : "nothing",
    );
    return here === there ? [] : [`${sku}: ${here} in Redis, ${there} in Postgres`];
  });
  // What the system itself has found must be the same. That it did not look is no proof.
  const { drifts, audits } = postgres;
  wrong.push(...drifts.map(({ sku, kind }) => `the audit says of ${sku}: ${kind}`));
  if (audits === 0) wrong.push("the audit has not looked at all stocks since all was recorded");
  const of = { number: skus.size, what: "stocks", note: ", audited" };
  return count("G7", "drift: stocks that differ between Redis and Postgres", wrong, of);
}

function holdsAlike({ books }: Evidence): Finding {
  const { redis, postgres } = books;
  const ids = new Set([...redis.holds.keys(), ...postgres.holds.keys()]);
  const wrong = [...ids].flatMap((hold_id) => {
    const [here, there] = [redis.holds.get(hold_id), postgres.holds.get(hold_id)].map((hold) =>
      !hold
        ? "nothing"
        : `${hold.status} ${hold.user_id} ${hold.lines.map(({ sku, quantity }) => `${sku}=${quantity}`)} ` +
          `${hold.expires_at} ${hold.ended_at} ${hold.order_id} ${hold.payment_ref}`,
    );
    return here === there ? [] : [`${hold_id}: ${here} in Redis, ${there} in Postgres`];
  });
  const of = { number: ids.size, what: "holds" };
  return count("G7", "drift: holds that differ between Redis and Postgres", wrong, of);
}

function historyAddsUp({ books }: Evidence): Finding {
  const { stocks, history } = books.postgres;
  const wrong = [...stocks].flatMap(([sku, { available, held }]) => {
    const sums = history.get(sku);
    if (sums?.available === available && sums.held === held) return [];
    return [
      `${sku}: ${available} available and ${held} held, by its history ${sums?.available} and ${sums?.held}`,
    ];
  });
  const of = { number: stocks.size, what: "stocks" };
  return count("G7", "drift: stocks whose history does not add up", wrong, of);
}

function ordersFit({ books }: Evidence): Finding {
  const { holds, orders } = books.postgres;
  const by_hold = Map.groupBy(orders, ({ hold_id }) => hold_id);
  const sold = [...holds.values()].filter(({ status }) => status === "CONFIRMED");
  const wrong = [
    ...sold.flatMap(({ hold_id, order_id }) => {
      const ids = (by_hold.get(hold_id) ?? []).map((order) => order.order_id);
      return ids.length === 1 && ids[0] === order_id
        ? []
        : [`${hold_id} is sold as ${order_id}, its orders: ${ids.join(", ") || "none"}`];
    }),
    ...orders.flatMap(({ order_id, hold_id }) =>
      holds.get(hold_id)?.status === "CONFIRMED" ? [] : [`${order_id} is of no sold hold`],
    ),
  ];
  const of = { number: sold.length, what: "sold" };
  return count("G7", "sold holds without exactly one order", wrong, of);
}

// Events count without gaps, so that none can get lost and nobody notices.
function gaps(evidence: Evidence): Finding {
  const { redis, postgres } = evidence.books;
  const seqs = new Set(postgres.events.map(({ seq }) => seq));
  const missing = Array.from({ length: redis.seq }, (_, i) => i + 1).filter((n) => !seqs.has(n));
  const silent = missing.filter((seq) => !postgres.alarmed.has(seq));
  const unreported = missing.length - silent.length > reportedLost(evidence);
  const wrong = [
    ...silent.map((seq) => `event ${seq} is missing, and nobody was alarmed`),
    ...(unreported ? [`events ${missing.slice(0, 5).join(", ")} ... are missing`] : []),
  ];
  return count("G8", "numbers missing in the sequence of events", wrong, {
    number: redis.seq,
    what: "numbers",
    units: missing.length,
  });
}
