import type { LoadResult } from "./load.ts";
import { Wrong } from "./scenario.ts";

/** The status that each route has to answer with. */
export type Expected = Record<string, number>;

/** What the servers have counted since they were started. */
export type Counted = {
  /** Answers by route and status. */
  answers: Map<string, Map<number, number>>;
  /** Requests that took effect. Null where there is nothing to take effect on. */
  decided: number | null;
};

/**
 * Whether a load was answered as it should be: each request, with this status, and with the effect it has.
 * @param clients as many requests may have been under way when the load ended, done and not counted by it
 * @throws Wrong
 */
export function refuseWrongAnswers(
  result: LoadResult,
  {
    expected,
    clients,
    before,
    after,
  }: {
    expected: Expected;
    clients: number;
    before: Counted;
    after: Counted;
  },
): void {
  if (result.failed > 0) {
    throw new Wrong(`${result.failed} of ${result.requests} requests got no answer`);
  }
  let answered = 0;
  for (const [route, status] of Object.entries(expected)) {
    for (const [found, count] of after.answers.get(route) ?? []) {
      const now = count - (before.answers.get(route)?.get(found) ?? 0);
      if (found === status) answered += now;
      else if (now > 0) throw new Wrong(`${now} answers of ${route} were ${found}, not ${status}`);
    }
  }
  const refusal = Object.values(expected).every((status) => status >= 400);
  refuseOutside("were answered as they should be", answered, result.requests, clients);
  refuseOutside("were refused", result.refused, refusal ? result.requests : 0, 0);
  if (before.decided === null || after.decided === null) return;
  const decided = after.decided - before.decided;
  refuseOutside("took effect", decided, refusal ? 0 : result.requests, clients);
}

/** The same for a load that is not looked into further: nothing was refused. @throws Wrong */
export function refuseUnaccepted({ requests, refused, failed }: LoadResult): void {
  if (refused + failed === 0) return;
  throw new Wrong(`of ${requests} requests ${refused} were refused and ${failed} got no answer`);
}

function refuseOutside(did: string, found: number, wanted: number, clients: number): void {
  if (found >= wanted && found <= wanted + clients) return;
  const more = clients === 0 ? "" : ` to ${wanted + clients}`;
  throw new Wrong(`${found} requests ${did}, not ${wanted}${more}`);
}
