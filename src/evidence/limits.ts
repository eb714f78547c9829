export const limits = {
  /** For one question to git, in milliseconds: a large working tree on a cold disk takes seconds. */
  gitMs: 60_000,
} as const
