const seen = new Map<string, number>();

/** Notes that something has occurred, for a test that must not pass without it. */
export const saw = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
export const timesSeen = (what: string) => seen.get(what) ?? 0;
