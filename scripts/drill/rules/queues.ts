import { count, type Evidence, type Finding } from "../evidence.ts";
import type { Moment } from "../story.ts";

/** When there are too few units for the first one, so many in front may be looked at. */
const LOOKED_AT_MAX = 10;

/**
 * Who waits is served in the order of joining, before anybody else. Whoever is overtaken has wanted more than
 * there was at that moment.
 */
export function queueFinding({ books }: Evidence): Finding {
  const queues = new Map<string, Moment[]>();
  const wrong: string[] = [];
  let served = 0;
  for (const moment of books.postgres.story) {
    const { type, sku, waiter_id, taken, seq } = moment;
    const queue = queues.get(sku) ?? [];
    const is_offer = type === "HOLD_CREATED" && waiter_id !== "";
    if (is_offer) served += 1;
    const place = is_offer ? queue.findIndex((waiter) => waiter.waiter_id === waiter_id) : -1;
    if (is_offer && place < 0)
      wrong.push(`${waiter_id} was served by event ${seq}, and did not wait`);
    if (taken > 0) {
      const overtaken = overtakenBy(moment, queue.slice(0, place < 0 ? LOOKED_AT_MAX : place));
      if (overtaken) {
        wrong.push(
          `${overtaken.waiter_id} was overtaken for ${sku} by ${moment.hold_id}, event ${seq}`,
        );
      }
    }
    queues.set(sku, changed(queue, moment));
  }
  const of = { number: served, what: "served" };
  return count("", "overtaken in a queue, though there were enough units", wrong, of);
}

const overtakenBy = ({ taken, available }: Moment, ahead: Moment[]) =>
  ahead.find(({ quantity }) => quantity <= taken + available);

function changed(queue: Moment[], moment: Moment): Moment[] {
  if (moment.type === "WAITER_JOINED") {
    return [...queue, moment].toSorted((one, other) => one.joined_seq - other.joined_seq);
  }
  if (moment.waiter_id === "") return queue;
  return queue.filter(({ waiter_id }) => waiter_id !== moment.waiter_id);
}
