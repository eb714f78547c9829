/**
 * Milliseconds within which a node may still begin to go back after a rollout was halted. Long, because a node that
 * was off at the time must go back when it returns; bounded, because no order is valid for ever.
 */
export const takeBackBeginMs = 7 * 24 * 3_600_000

/** Tries of one write against concurrent writers. Each try means that somebody else's write went through. */
export const writeTriesMax = 20

/** Milliseconds until a rollout is looked at again after the store failed. */
export const retryMs = 5_000

/** Milliseconds that a timer waits at most; a longer one is set again (Node's timers hold 31 bits). */
export const timerMsMax = 24 * 3_600_000
