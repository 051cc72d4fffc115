import { until } from "./until.ts";

const READY_MS_MAX = 60_000;
const ANSWER_MS_MAX = 2_000;

/** Waits until `url` answers 200. After too long throws, with what it said instead and the log's end. */
export async function untilReady(
  name: string,
  url: string,
  lastLines: () => Promise<string>,
): Promise<void> {
  let said = "no answer";
  try {
    await until(
      `${name} is ready`,
      async () => {
        const answer = await ask(url);
        said = answer.text;
        return answer.ok ? true : undefined;
      },
      READY_MS_MAX,
    );
  } catch (error) {
    const message = `${name} did not get ready. ${url} said: ${said}\n${await lastLines()}`;
    throw new Error(message.trimEnd(), { cause: error });
  }
}

// Events from before the start may still wait to be recorded. The worker that has just started is what
// records them, so they are no reason to give up on it.
function lacksOnlyTime(text: string): boolean {
  const names = /"missing":\{"(\w+)":"[^"]*"\}\}$/.exec(text);
  return names?.[1] === "lag";
}

async function ask(url: string): Promise<{ ok: boolean; text: string }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    const text = (await response.text()).trim();
    return { ok: response.ok || lacksOnlyTime(text), text };
  } catch {
    return { ok: false, text: "no answer" };
  }
}
