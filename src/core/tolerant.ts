import type { z } from 'zod'

/** Rounds of leaving out: a field that is left out can uncover another only as deep as a value is nested. */
const roundsMax = 32

/**
 * Reads what a newer Ashlar may have written: fields that this one does not know are left out. All else that it does
 * not know (another value, a field that is missing) is refused as ever. Only for what merely informs; what is signed, or
 * asks for something to be done, is read strictly, for a field that is passed over would be an order not carried out.
 */
export function readTolerantly<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
): z.ZodSafeParseResult<z.output<Schema>> {
  let result = schema.safeParse(value)
  if (result.success || !onlyUnknown(result.error)) return result
  const copy = new Copy(value)
  for (let round = 0; round < roundsMax; round++) {
    if (result.success || !onlyUnknown(result.error)) break
    for (const issue of result.error.issues)
      if (issue.code === 'unrecognized_keys') copy.leaveOut(issue.path, issue.keys)
    result = schema.safeParse(copy.value)
  }
  return result
}

function onlyUnknown(error: z.ZodError): boolean {
  return error.issues.every(({ code }) => code === 'unrecognized_keys')
}

/**
 * A copy of what is changed, and of nothing else: structuredClone walks a value by recursion, and a field that nobody
 * knows may be nested as deep as its sender likes.
 */
class Copy {
  readonly #own = new WeakSet<object>()
  readonly #holder: { value?: unknown }

  constructor(value: unknown) {
    this.#holder = { value }
  }

  get value(): unknown {
    return this.#holder.value
  }

  leaveOut(path: readonly PropertyKey[], keys: readonly string[]): void {
    let at: object = this.#holder
    for (const key of ['value', ...path]) at = this.#ownedAt(at, key)
    for (const key of keys) Reflect.deleteProperty(at, key)
  }

  #ownedAt(holder: object, key: PropertyKey): object {
    const found = Reflect.get(holder, key) as object
    if (this.#own.has(found)) return found
    const value = Array.isArray(found) ? [...found] : { ...found }
    this.#own.add(value)
    // Not by assignment: the key may be __proto__.
    Reflect.defineProperty(holder, key, { value, writable: true, enumerable: true, configurable: true })
    return value
  }
}
