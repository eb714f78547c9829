/** Milliseconds that a start waits for the database: a server that just ended may still be closing it. */
export const busyMs = 2_000

/** Log rows in one answer. */
export const logRowsMax = 1_000

/** Faults of one database that a check names. */
export const findingsMax = 100

/** A clock that is set back by more than this was wrong before. */
export const clockBackMsMax = 24 * 60 * 60 * 1000
