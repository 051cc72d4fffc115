/** Something that was started and must be stopped again. */
export type Part = {
  stop(): Promise<unknown>;
  /** Of a process: resolves to how it ended. */
  exited?: Promise<string>;
  lastLines?(): Promise<string>;
};

export type Parts = ReturnType<typeof createParts>;

/** Everything that a run of the benchmark has started. One that ends without being stopped is a failure. */
export function createParts() {
  const open: Promise<Part>[] = [];
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => {}); // when nothing fails, nobody looks at it
  let stopping = false;

  /** Starts a part; its `stop` is the way to end it before all others. */
  async function start<Started extends Part>(
    name: string,
    begin: () => Promise<Started>,
  ): Promise<Started> {
    if (stopping) throw new Error(`${name} is not started any more`);
    let expected = false;
    const starting = begin().then((part) => ({
      ...part,
      stop: () => {
        expected = true;
        return part.stop();
      },
    }));
    open.push(starting);
    const part = await starting;
    void part.exited?.then(async (cause) => {
      if (expected) return;
      const log = await part.lastLines?.().catch(() => "");
      failure.reject(new Error(`${name} ended (${cause})\n${log ?? ""}`.trimEnd()));
    });
    return part;
  }

  /**
   * Stops what is there, the last one started first. A part that is just starting is waited for, and one that
   * can't be stopped is no reason to leave the others running.
   */
  async function stopAll(): Promise<void> {
    stopping = true;
    const errors: unknown[] = [];
    for (const starting of open.splice(0).toReversed()) {
      const part = await starting.catch(() => undefined);
      await part?.stop().catch((error: unknown) => errors.push(error));
    }
    if (errors.length > 0) throw new AggregateError(errors);
  }

  return { start, stopAll, failed: failure.promise };
}
