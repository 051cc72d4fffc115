/**
 * Local time in ms since 1970, for deadlines: it never jumps, even when somebody sets the machine's clock.
 * Only differences mean anything; what is told to people is Redis's time.
 */
export const monotonicNow = () => performance.timeOrigin + performance.now();
