import { AshlarError } from './errors.ts'

/** A semantic version as written, without a leading `v`. */
export type Version = string & { readonly __brand: 'Version' }

export class VersionError extends AshlarError<'version-malformed' | 'version-out-of-range'> {}

// semver.org, "Is there a suggested regular expression": numbered groups.
const pattern =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$/

/** Each of the three numbers must stay below this for a counter to be derived from them. */
const partMax = 1_000_000

export function isVersion(text: string): text is Version {
  return pattern.test(text)
}

/** @throws VersionError `version-malformed` */
export function parseVersion(text: string): Version {
  if (isVersion(text)) return text
  throw new VersionError('version-malformed', `not a semantic version: ${JSON.stringify(text)}`, {
    hint: 'write MAJOR.MINOR.PATCH, for example 1.4.0',
  })
}

/**
 * The counter that a release has when its definition names none: it grows with the version
 * (1.2.3 → 1000002000003) and stays a safe integer below version 9007.
 * @throws VersionError `version-out-of-range`
 */
export function counterOfVersion(version: Version): number {
  const [, major, minor, patch] = pattern.exec(version) ?? []
  const [a, b, c] = [Number(major), Number(minor), Number(patch)]
  const counter = (a * partMax + b) * partMax + c
  if (b < partMax && c < partMax && Number.isSafeInteger(counter)) return counter
  throw new VersionError('version-out-of-range', `version ${version} is too large to derive a counter from`, {
    hint: 'set spec.counter in ashlar.yaml',
  })
}
