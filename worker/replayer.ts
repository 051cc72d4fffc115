import { MalformedEvent, parseEvent } from "../src/domain/parse-event.ts";
import type { Log } from "../src/log.ts";
import { monotonicNow } from "../src/now.ts";
import { isRefusal } from "../src/postgres/client.ts";
import type { DeadLetter } from "../src/postgres/dead-letters.ts";
import type { Applied, Recording } from "../src/postgres/recording.ts";

const LOOK_EVERY_MS = 1_000;
/** A look takes on so many letters at most, and begins none after so long: new events wait for it. */
const LETTERS_MAX = 100;
const LOOK_MS_MAX = 250;

/**
 * Tries dead letters again that somebody has asked for, on behalf of the recorder. Each one is recorded and
 * taken out in one transaction, or kept with what was wrong this time; so what is interrupted is done again.
 */
export function createReplayer({
  onApplied,
  log,
}: {
  onApplied: (applied: Applied) => void;
  log: Log;
}) {
  let next_look_at = 0;

  /** Does some of what was asked for, about once a second however often it is called. Returns how many. */
  async function replaySome(recording: Recording): Promise<number> {
    const now = monotonicNow();
    if (now < next_look_at) return 0;
    const letters = await recording.readRequested(LETTERS_MAX);
    let tried = 0;
    for (const letter of letters) {
      if (monotonicNow() > now + LOOK_MS_MAX) break;
      await replay(recording, letter);
      tried += 1;
    }
    next_look_at = monotonicNow() + LOOK_EVERY_MS;
    return tried;
  }

  async function replay(recording: Recording, letter: DeadLetter): Promise<void> {
    const { message_id, seq } = letter;
    if (letter.outdated) {
      await keep(
        recording,
        letter,
        "Redis was admitted without this event: it must not be recorded.",
      );
      return;
    }
    try {
      const event = parseEvent(letter.fields);
      onApplied(await recording.apply([event], message_id, { letter }));
      log.info({ message_id, seq, event_id: event.event_id }, "a dead letter's event is recorded");
    } catch (error) {
      if (!(error instanceof MalformedEvent) && !isRefusal(error)) throw error;
      await keep(recording, letter, error.message);
    }
  }

  async function keep(recording: Recording, letter: DeadLetter, error: string): Promise<void> {
    await recording.keepDead(letter, error);
    log.warn(
      { message_id: letter.message_id, seq: letter.seq, error },
      "a dead letter failed again",
    );
  }

  return { replaySome };
}
