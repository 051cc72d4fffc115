import { count, type Evidence, type Finding } from "../evidence.ts";

/** Of an order comes back what was sold at most, and each time once, whoever died meanwhile. */
export function returnFinding({ books }: Evidence): Finding {
  const { returns, story } = books.postgres;
  const lines = Map.groupBy(returns, ({ order_id, sku }) => `${sku} of ${order_id}`);
  const too_many = [...lines].flatMap(([name, all]) => {
    const back = all.reduce((sum, { units }) => sum + units, 0);
    const sold = all[0]?.sold ?? 0;
    return back > sold ? [`${back} came back as ${name}, and ${sold} were sold`] : [];
  });
  const undone = returns.flatMap(({ return_id, done }) =>
    done ? [] : [`${return_id} was promised, and is not done`],
  );
  const happened = story.filter(({ type }) => type === "ORDER_RETURNED").length;
  const promised = returns.filter(({ sku }) => books.limited.has(sku)).length;
  const twice =
    happened > promised ? [`${happened} returns happened, and ${promised} were promised`] : [];
  const of = { number: returns.length, what: "returns" };
  return count(
    "",
    "taken back more than was sold, twice, or never",
    [...too_many, ...undone, ...twice],
    of,
  );
}
