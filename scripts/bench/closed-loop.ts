const TELL_EVERY = 1_000;

/** Does a work `count` times, always `in_flight` of them at once. `onDone` hears now and then how many. */
export async function closedLoop(
  { count, in_flight }: { count: number; in_flight: number },
  work: (i: number) => Promise<unknown>,
  onDone: (done: number) => void = () => {},
): Promise<void> {
  let next = 0;
  let done = 0;
  async function client() {
    while (next < count) {
      next += 1;
      await work(next - 1);
      done += 1;
      if (done % TELL_EVERY === 0) onDone(done);
    }
  }
  await Promise.all(Array.from({ length: in_flight }, client));
}
