import { prose, table } from './markdown.ts'

/** JSON Schema (2020-12), as far as zod makes it of ours. */
export interface Schema {
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly default?: unknown
  readonly description?: string
  readonly pattern?: string
  readonly format?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Schema | false
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
}

/** One key of a document, wherever it stands in it. */
export interface Key {
  /** `spec.health[].http` */
  readonly path: string
  readonly type: string
  readonly absent: string
  readonly meaning: string
}

export function keysTable(schema: Schema): string {
  const rows = keysOf(schema).map(({ path, type, absent, meaning }) => [`\`${path}\``, type, absent, meaning])
  return table(['key', 'type', 'default', 'meaning'], rows)
}

/** Every key of a schema, in its order. Keys that branches of a union share stand once, with all that they may be there. */
export function keysOf(schema: Schema, at = ''): readonly Key[] {
  const branches = branchesOf(schema).map((branch) => keysIn(branch, at))
  const all = branches.flat()
  return [...new Set(all.map(({ path }) => path))].flatMap((path) => {
    const same = all.filter((key) => key.path === path)
    const everywhere = branches.every((keys) => keys.some((key) => key.path === path))
    const type = [...new Set(same.map((key) => key.type))].join(', ')
    return same.slice(0, 1).map((key) => ({ ...key, type, absent: everywhere ? key.absent : '–' }))
  })
}

function keysIn(
  { properties = {}, required = [], additionalProperties }: Schema,
  at: string,
): readonly Key[] {
  return [
    ...Object.entries(properties).flatMap(([name, inner]) =>
      keysBelow(inner, at === '' ? name : `${at}.${name}`, required.includes(name)),
    ),
    ...(hasKeys(additionalProperties) ? keysOf(additionalProperties, `${at}.*`) : []),
  ]
}

function keysBelow(schema: Schema, path: string, required: boolean): readonly Key[] {
  const own: Key = {
    path,
    type: typeOf(schema),
    absent: defaultOf(schema, required),
    meaning: prose(schema.description ?? ''),
  }
  const list = schema.type === 'array' && schema.items !== undefined ? keysOf(schema.items, `${path}[]`) : []
  return [own, ...list, ...keysOf(schema, path)]
}

function branchesOf(schema: Schema): readonly Schema[] {
  return schema.anyOf ?? schema.oneOf ?? [schema]
}

function hasKeys(schema: Schema | false | undefined): schema is Schema {
  return schema !== undefined && schema !== false && branchesOf(schema).some(({ properties }) => properties)
}

function typeOf(schema: Schema): string {
  const branches = branchesOf(schema)
  if (branches.length > 1) return [...new Set(branches.map(typeOf))].join(' or ')
  if (schema.const !== undefined) return code(schema.const)
  if (schema.enum !== undefined) return schema.enum.map(code).join(', ')
  if (schema.type === 'array')
    return `list of ${schema.items === undefined ? 'anything' : typeOf(schema.items)}${schema.minItems === 1 ? ', not empty' : ''}`
  if (schema.type === 'integer') return `whole number${rangeOf(schema)}`
  if (schema.type === 'boolean') return 'true or false'
  if (schema.type === 'object') return schema.properties === undefined ? mapOf(schema) : 'map'
  if (schema.format === 'uri') return 'address'
  return schema.pattern === undefined ? 'text' : `text like \`${schema.pattern}\``
}

function mapOf({ additionalProperties }: Schema): string {
  return `map of names to ${additionalProperties ? typeOf(additionalProperties) : 'anything'}`
}

/** A bound that only says what a number can hold says nothing. */
function rangeOf({ minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER }: Schema): string {
  const from = minimum === Number.MIN_SAFE_INTEGER ? '' : `, from ${minimum}`
  return maximum === Number.MAX_SAFE_INTEGER ? from : `${from} to ${maximum}`
}

function defaultOf(schema: Schema, required: boolean): string {
  if (schema.default !== undefined) return code(schema.default)
  return required ? 'required' : '–'
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
}
