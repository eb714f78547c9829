/** Packages that are fetched at once: more only quarrel about one mirror's bandwidth. */
export const downloadsMax = 4
/** One package from a slow mirror: 100 MB at 100 kB/s is 17 minutes. */
export const downloadTimeoutMs = 20 * 60_000
/** The archive's indexes, about 10 MB. */
export const updateTimeoutMs = 10 * 60_000
/** One run of apt's solver takes half a second. */
export const solveTimeoutMs = 2 * 60_000
