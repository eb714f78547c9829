/** Bytes of a request's body. The largest is a node's status: each reason in it may quote 50 lines of 2,000 characters. */
export const bodyBytesMax = 1024 * 1024

/** Seconds that a request may wait for a change: proxies and NAT boxes drop connections that are silent for longer. */
export const waitSecondsMax = 60

/** Tries of a write that others may win: a node's report against the director's order. */
export const writeTriesMax = 20

/** Milliseconds that requests under way have when the server ends. */
export const closeGraceMs = 2_000

/** Characters of a fleet's name, so that `<fleet>-<n>` is still a name. */
export const fleetNameLengthMax = 52

/** No server is started before: it was not written yet. */
export const earliestMs = Date.UTC(2026, 0, 1)
