import { AshlarError } from './errors.ts'

export class YamlError extends AshlarError<'yaml-broken'> {}

/**
 * Runs what parses YAML or makes a value of it. An alias without an anchor, or too many, are found only when the value is
 * made, and what is nested is walked by recursion: `yaml` throws then, where it otherwise lists errors. @throws YamlError
 */
export function readingYaml<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof ReferenceError) throw new YamlError('yaml-broken', cause.message, { cause })
    if (cause instanceof RangeError) throw new YamlError('yaml-broken', 'it is nested too deeply', { cause })
    throw cause
  }
}
