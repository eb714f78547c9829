/** Longest wait of one long poll. Below the 60 s after which home routers forget an idle connection. */
export const pollWaitSeconds = 50
/** The same while this boot's health checks still run. */
export const firstWaitSeconds = 2
/** A long poll's answer may come this much after its wait, on a slow line. */
export const pollGraceMs = 20_000
/** First and longest pause after a failed call to the server; each pause is drawn from the upper half (jitter). */
export const backoffMs = { first: 500, longest: 60_000 } as const
/** Without an answer for this long, the node says that its orders are stale. */
export const ordersStaleMs = 15 * 60_000
/** An order that was refused is not asked for again for this long; then the server may have thought better of it. */
export const refusedMs = 60_000
/** Progress of a download reaches the server no more often than this. */
export const progressEveryMs = 2_000
/** Room that stays free on a disk after staging: journals and state must still fit. */
export const spareBytes = 64 * 1024 * 1024
/** Answers of the server that are no blob. */
export const answerBytesMax = 1024 * 1024
/** How often a boot's checks are started again when they were killed, before the trial is given up. */
export const trialAttemptsMax = 3
/** Longest that a trial may take to be judged, beside what its checks ask for: systemd's own start limits are 90 s a unit. */
export const trialMs = 10 * 60_000
/** The pause between two tries of a health check: short at first, since most services are up within a second. */
export const checkPauseMs = { first: 50, longest: 1_000 } as const
/** Lines, and bytes of a line, that a failing check's output is kept to. */
export const lastLines = { count: 20, bytesMax: 500 } as const
/** An executable in health.d that has not ended by then has failed. */
export const hookMs = 60_000
/** The launcher hashes about 400 MB a second; a slot of 10 GB is done by then. */
export const prepareMs = 60_000
/** A hash tree is held in memory: 0.8 % of an image, this one of 8 GB. */
export const treeBytesMax = 64 * 1024 * 1024
