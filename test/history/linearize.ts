/** One call that somebody made. Times are ms of one clock. */
export type Operation<Input, Output> = {
  input: Input;
  called: number;
  /** When it was answered; without an answer, the moment from which on it takes no effect any more. */
  returned: number;
  /** Nothing when no answer came: it may have happened until `returned`, or never. */
  output: Output | undefined;
  /** Where it comes in the order, if somebody has an idea. A wrong one only makes the search longer. */
  hint?: number | undefined;
};

/** What a thing that does one operation after the other would do. */
export type Spec<State, Op> = {
  first: State;
  /**
   * The states in which the operation may leave it: the same object when it changes nothing. None when it
   * can't have been answered like this; and none for one without an answer that would do nothing.
   */
  next(state: State, operation: Op): State[];
  /** Whether, answered like this, it changes nothing any more after a state that it did not change. */
  staysIdle(operation: Op): boolean;
  /** The same text for states that nothing can tell apart. */
  textOf(state: State): string;
};

export type Found<Op> = {
  /** Explains everything that was answered; none when no order does, or none was found in time. */
  order: Op[] | undefined;
  gave_up: boolean;
  /** As far as any order came. */
  deepest: Op[];
  steps: number;
};

const STEPS_MAX = 5_000;

/**
 * Looks for an order of the operations in which each happens in one moment between its call and its answer,
 * and each answer is the right one: whether the history is linearizable. The search of Wing and Gong,
 * "Testing and verifying concurrent objects" (1993), that remembers where it has been, as Lowe, "Testing for
 * linearizability" (2017), does. Histories of different things are searched one by one, which is enough.
 * When that takes more than `steps_max` steps it gives up, which says nothing of the history.
 */
export function findOrder<State, Op extends Operation<unknown, unknown>>(
  spec: Spec<State, Op>,
  history: Op[],
  steps_max = STEPS_MAX,
): Found<Op> {
  const operations = history.toSorted((a, b) => a.called - b.called);
  const done = operations.map(() => false);
  const been = new Set<string>();
  const order: Op[] = [];
  let deepest: Op[] = [];
  let steps = 0;

  function search(state: State, latest_call: number): boolean {
    if (order.length > deepest.length) deepest = [...order];
    const open = openOf(operations, done, latest_call);
    if (!open) return true;
    const choices = open.map((choice) => ({
      ...choice,
      nexts: spec.next(state, choice.operation),
    }));
    const idle = choices.filter(({ nexts: [next, other] }) => {
      return next === state && other === undefined;
    });
    // What changes nothing hinders nobody: when it can be now, and is of no use later, then nothing else need
    // be tried. To set what is set already is of use later.
    const first = idle.find((choice) => !choice.may_wait && spec.staysIdle(choice.operation));
    if (first) return goOn(first, state, latest_call);

    const place = `${done.map(Number).join("")} ${spec.textOf(state)}`;
    if (been.has(place) || steps === steps_max) return false;
    been.add(place);
    steps += 1;
    const others = choices.filter((choice) => !idle.includes(choice));
    return [...idle, ...others].some((choice) =>
      choice.nexts.some((next) => goOn(choice, next, latest_call)),
    );
  }

  function goOn({ operation, i }: Open<Op>, next: State, latest_call: number): boolean {
    done[i] = true;
    order.push(operation);
    if (search(next, Math.max(latest_call, operation.called))) return true;
    order.pop();
    done[i] = false;
    return false;
  }

  const found = search(spec.first, -Infinity);
  const gave_up = !found && steps === steps_max;
  return { order: found ? order : undefined, gave_up, deepest, steps };
}

/** `may_wait`: something without an answer could happen now, but not after this. */
type Open<Op> = { operation: Op; i: number; may_wait: boolean };

/**
 * What may happen next: whatever was called before the first of the others was answered. Nothing when all
 * that was answered is done. First comes what somebody has an idea of; last what has no answer.
 */
function openOf<Op extends Operation<unknown, unknown>>(
  operations: Op[],
  done: boolean[],
  latest_call: number,
): Open<Op>[] | undefined {
  let first_return = Infinity;
  let first_loss = Infinity;
  for (const [i, { output, returned }] of operations.entries()) {
    if (done[i]) continue;
    if (output !== undefined) first_return = Math.min(first_return, returned);
    else if (returned >= latest_call) first_loss = Math.min(first_loss, returned);
  }
  if (first_return === Infinity) return undefined;
  const open: Open<Op>[] = [];
  for (const [i, operation] of operations.entries()) {
    const { called, returned, output } = operation;
    if (called > first_return) break;
    if (done[i] || returned < latest_call) continue;
    open.push({ operation, i, may_wait: output === undefined || first_loss < called });
  }
  return open.sort(({ operation: a }, { operation: b }) => rankOf(a) - rankOf(b));
}

const LAST = Number.MAX_SAFE_INTEGER;
const rankOf = ({ hint, output }: Operation<unknown, unknown>) =>
  hint ?? (output === undefined ? LAST : LAST - 1);
