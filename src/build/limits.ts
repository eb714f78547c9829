/** Packages that are fetched at once: more only quarrel about one mirror's bandwidth. */
export const downloadsMax = 4
/** One package from a slow mirror: 100 MB at 100 kB/s is 17 minutes. */
export const downloadTimeoutMs = 20 * 60_000
/** The archive's indexes, about 10 MB. */
export const updateTimeoutMs = 10 * 60_000
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
