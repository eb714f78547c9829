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
  const copy: unknown = structuredClone(value)
  for (let round = 0; round < roundsMax; round++) {
    if (result.success || !onlyUnknown(result.error)) break
    for (const issue of result.error.issues)
      if (issue.code === 'unrecognized_keys') leaveOut(copy, issue.path, issue.keys)
    result = schema.safeParse(copy)
  }
  return result
}

function onlyUnknown(error: z.ZodError): boolean {
  return error.issues.every(({ code }) => code === 'unrecognized_keys')
}

function leaveOut(value: unknown, path: readonly PropertyKey[], keys: readonly string[]): void {
  let at = value
  for (const key of path) at = (at as Record<PropertyKey, unknown>)[key]
  for (const key of keys) delete (at as Record<string, unknown>)[key]
}
