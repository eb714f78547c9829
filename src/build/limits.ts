/** Packages that are fetched at once: more only quarrel about one mirror's bandwidth. */
export const downloadsMax = 4
/** One package: as long as its bytes take at a pace below which a mirror is as good as none, and time to begin. */
export const downloadTimeoutMs = (sizeBytes: number): number => 60_000 + sizeBytes / 20
/** The archive's indexes, about 10 MB. */
export const updateTimeoutMs = 5 * 60_000
/** To ask a mirror whether it is there: for who waits for the answer, and gets it from a slow one. */
export const probeTimeoutMs = 10_000
/** Attempts to reach an archive, and milliseconds before the second; before each further one four times as many. */
export const archiveAttemptsMax = 3
export const archiveRetryDelayMs = 1_000
/** Attempts that took longer than this together are not followed by another: somebody waits. */
export const archiveRetryWindowMs = 2 * 60_000
/** Times that one package may arrive with other bytes than its index names. */
export const mismatchesMax = 2
/** A base image of some gigabytes. */
export const baseTimeoutMs = 60 * 60_000
/** One run of apt's solver takes half a second. */
export const solveTimeoutMs = 2 * 60_000
/** What one package may hold. Debian's largest are far below; deb(5) itself ends at 8 GiB a file. */
export const archiveLimits = {
  fileBytesMax: 4 * 1024 ** 3,
  packageBytesMax: 8 * 1024 ** 3,
  /** 64,000 files are the most in Debian 12; each costs 300 bytes here. */
  entriesMax: 250_000,
  /** NAME_MAX and PATH_MAX of Linux, the latter without its closing NUL. */
  nameBytesMax: 255,
  pathBytesMax: 4095,
  /** The greatest number that means "this user" to chown(2). */
  idMax: 2 ** 32 - 2,
  /** A control file is a few kilobytes. */
  keptBytesMax: 1024 * 1024,
  /** Debian's packages want 70 MB at the most to be decompressed. */
  decompressorBytesMax: 512 * 1024 * 1024,
} as const

/** What the cache keeps between builds: some five different images of a gigabyte each, with their tools. */
export const cacheBytesMax = 10e9
/** Layers for packages; what the build makes itself has four more. Container engines stop at 127, people long before. */
export const packageLayersMax = 8
/** Read at once while hashing: with the 64 KiB of Node's streams it takes half as long again. */
export const readBytes = 1 << 20

/** How often it is looked how much of a package has arrived. */
export const lookMs = 500
