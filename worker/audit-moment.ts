/**
 * Whether Redis knew all that had been recorded before it was asked. One that has forgotten some of it, or
 * that is no master any more, is about to be closed.
 */
export const isUpToDate = (
  seen: { seq: number; redis_generation: number },
  before: { applied_seq: number; generation: number },
): boolean => seen.seq >= before.applied_seq && seen.redis_generation >= before.generation;

/**
 * Whether the ledger's look was still under the admission that was in force before Redis was asked. Redis
 * may else have lost what it said: then it is no drift that the ledger never gets it.
 */
export const isSameAdmission = (
  moment: { is_open: boolean; generation: number } | null,
  generation: number,
): boolean => moment?.is_open === true && moment.generation === generation;
