import { closest, distance } from 'fastest-levenshtein'
import { type Document, isMap, isNode, isPair, LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import type { Finding } from './errors.ts'
import { healthCheckSchema } from './health.ts'
import { readingYaml, YamlError } from './reading-yaml.ts'
import { architectures } from './release-document.ts'
import { counterOfVersion, isVersion, parseVersion, type Version, VersionError } from './version.ts'

const imageName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'use 1 to 63 lower-case letters, digits and dashes')
  .describe('Name of the image; its repository has the same name.')
const version = z
  .custom<Version>(
    (value) => typeof value === 'string' && isVersion(value),
    'not a semantic version such as 1.4.0',
  )
  .meta({ type: 'string', description: 'Semantic version of the release that this definition makes.' })
const packageName = z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/, 'not a Debian package name')
const accountName = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'not a user or group name')
const octalMode = z.string().regex(/^[0-7]{4}$/, 'write an octal mode in quotes: "0644"')
const absolutePath = z
  .string()
  .startsWith('/', 'must be an absolute path')
  .refine((path) => !path.split('/').includes('..'), 'must not contain ..')
const relativePath = z
  .string()
  .min(1)
  .refine(
    (path) => !path.startsWith('/') && !path.split('/').includes('..'),
    'must lie inside the definition folder',
  )
const account = z.int().min(1).max(59_999)

const base = z.strictObject({
  debian: z.enum(['bookworm', 'trixie']).describe('Debian suite, with its -updates and -security pockets.'),
  mirrors: z
    .strictObject({
      debian: z.url().describe('Address of the archive: the folder that holds `dists/` and `pool/`.'),
      'debian-security': z.url().describe('The same of the security archive.'),
    })
    .optional()
    .describe("Where the archives are fetched from; default: this machine's own apt configuration."),
})

const source = z
  .strictObject({
    containerfile: relativePath.describe('A Containerfile beside ashlar.yaml.'),
    context: relativePath.optional().describe('The folder that it copies from; default: the one it lies in.'),
    args: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not the name of an ARG'), z.string())
      .default({})
      .describe('Values of its ARG lines. They can be read in the image: no place for a secret.'),
  })
  .describe(
    'An existing Containerfile in place of packages, for a container. Its base images are locked; base says whose tools pack what it makes.',
  )

const fileLayer = z
  .strictObject({
    from: relativePath.describe('A file or folder beside ashlar.yaml.'),
    to: absolutePath.describe('Where its content lies in the image.'),
    owner: z
      .string()
      .regex(/^[a-z_][a-z0-9_-]*:[a-z_][a-z0-9_-]*$/, 'write user:group')
      .default('root:root')
      .describe('User and group of every file and folder of this entry.'),
    mode: octalMode
      .optional()
      .describe('Mode of every file; default 0644, or 0755 where the owner may execute it.'),
    directoryMode: octalMode.default('0755').describe('Mode of each folder that this entry creates.'),
  })
  .describe('Files laid over the packages.')

const user = z.strictObject({
  name: accountName.describe('Name of the user and of its group.'),
  uid: account.describe(
    'Fixed, so that files keep their owner from release to release. The group of the same name has it too.',
  ),
  groups: z.array(accountName).default([]).describe('Further groups; they must be there.'),
  home: absolutePath.default('/nonexistent').describe('Home folder; it is not made.'),
  shell: absolutePath.default('/usr/sbin/nologin').describe('Login shell.'),
})

const trustedKeys = z
  .strictObject({
    threshold: z.int().min(1).default(1).describe('How many different keys must have signed.'),
    keys: z.array(relativePath).min(1).describe('Files of public keys (PEM) beside ashlar.yaml.'),
  })
  .describe('Files of public keys (PEM) and how many of them must agree.')

const spec = z.strictObject({
  form: z
    .enum(['system', 'container'])
    .default('system')
    .describe('A system has a kernel and a disk form; a container has neither.'),
  arch: z.enum(architectures).default('amd64').describe('Architecture of the image.'),
  base: base.describe('What the image is made from.'),
  kernel: z
    .strictObject({
      package: packageName.default('linux-image-amd64').describe('Debian package of the kernel.'),
      arguments: z
        .array(z.string().regex(/^[^\s"]+$/, 'one argument each, without blanks'))
        .default([])
        .describe('Added to the boot line.'),
    })
    .prefault({})
    .describe('The kernel of a system.'),
  packages: z
    .array(packageName)
    .default([])
    .describe('Debian packages that are wanted; what they depend on comes along.'),
  from: source.optional(),
  files: z.array(fileLayer).default([]).describe('Files laid over the packages, in this order.'),
  users: z.array(user).default([]).describe('Users that are made.'),
  services: z
    .array(z.string().regex(/^[A-Za-z0-9@:._-]+$/, 'not a unit name'))
    .default([])
    .describe('systemd units to enable.'),
  health: z
    .array(healthCheckSchema)
    .default([])
    .describe(
      'What must hold before a node keeps a boot; each check has exactly one of http, tcp, unit, exec.',
    ),
  parameters: z
    .record(z.string().regex(/^[a-z][a-zA-Z0-9]*$/, 'use a camelCase name'), z.string())
    .default({})
    .describe('Written into the release document as they stand.'),
  trust: z
    .strictObject({
      version: z.int().min(1).default(1).describe('Counts the changes of these keys.'),
      release: trustedKeys.describe('Keys that sign releases, and how many of them must agree.'),
      director: trustedKeys.describe('Keys that sign orders to nodes, and how many of them must agree.'),
    })
    .optional()
    .describe('Whom a node that runs this image believes. Required for a system.'),
  counter: z
    .int()
    .min(0)
    .optional()
    .describe('Orders the releases of this image; default: derived from the version.'),
  floor: z
    .union([z.int().min(0), version])
    .default(0)
    .describe(
      'Lowest counter, or version, that may still run on a node once this release is confirmed there.',
    ),
  run: z
    .strictObject({
      command: z.array(z.string()).min(1).describe('Program and arguments.'),
      user: accountName.optional().describe('User that it runs as; default: root.'),
      workdir: absolutePath.optional().describe('Folder that it starts in.'),
      environment: z.record(z.string(), z.string()).default({}).describe('Environment variables.'),
    })
    .optional()
    .describe('What a container runs.'),
})

/** The form of a definition that this Ashlar reads. */
const apiVersion = 'ashlar/v1'

export const definitionSchema = z
  .strictObject({
    apiVersion: z.literal(apiVersion).describe('Form of this file.'),
    kind: z.literal('Image').describe('What this file describes.'),
    metadata: z.strictObject({ name: imageName, version }).describe('Name and version of the release.'),
    spec: spec.describe('What the image holds.'),
  })
  .superRefine((definition, context) => {
    const { form, trust, run, users, health, from, packages, services } = definition.spec
    const refuse = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path: ['spec', ...path], message })
    if (form === 'system' && trust === undefined)
      refuse([], 'a system needs trust: the keys that its nodes believe')
    if (form === 'system' && run !== undefined)
      refuse(['run'], 'only a container has run; a system has services')
    if (form === 'container' && run === undefined && from === undefined)
      refuse([], 'a container needs run: what it starts')
    if (from !== undefined && form === 'system')
      refuse(
        ['from'],
        'only a container is made from a Containerfile: a system needs a kernel and tools that are locked',
      )
    if (from !== undefined && packages.length > 0)
      refuse(
        ['packages'],
        'packages come from the Containerfile where there is one: its base image has to hold them',
      )
    if (from !== undefined && services.length > 0) refuse(['services'], 'the Containerfile says what starts')
    try {
      if (floorOf(definition) > counterOf(definition))
        refuse(['floor'], 'is above the counter of this release itself')
    } catch (error) {
      if (!(error instanceof VersionError)) throw error
      refuse([], `${error.message}; ${error.hint}`)
    }
    if (form === 'container' && health.length > 0) refuse(['health'], 'only a system has health checks')
    for (const role of ['release', 'director'] as const)
      if (trust !== undefined && trust[role].threshold > new Set(trust[role].keys).size)
        refuse(['trust', role, 'threshold'], 'is larger than the number of keys')
    for (const [list, path, key] of [
      [users.map((u) => u.name), 'users', 'name'],
      [users.map((u) => String(u.uid)), 'users', 'uid'],
      [health.map((h) => h.name), 'health', 'name'],
    ] as const)
      for (const [index, value] of list.entries())
        if (list.indexOf(value) < index) refuse([path, index, key], `${value} stands twice`)
  })

/** What a system image or a container holds, as written in `ashlar.yaml`, with every default filled in. */
export type Definition = z.infer<typeof definitionSchema>

export type ParsedDefinition =
  | {
      readonly is: 'definition'
      readonly definition: Definition
      /** `ashlar.yaml:14 spec.packages[3]` of a path, for what is found out later. */
      readonly place: (path: readonly PropertyKey[]) => string
    }
  | { readonly is: 'findings'; readonly findings: readonly Finding[] }

/** Reads the text of an `ashlar.yaml`. Every finding is reported at once, with line and path; nothing is thrown. */
export function parseDefinition(text: string, file = 'ashlar.yaml'): ParsedDefinition {
  try {
    return readingYaml(() => readText(text, file))
  } catch (error) {
    if (!(error instanceof YamlError)) throw error
    return { is: 'findings', findings: [{ code: error.code, message: error.message, where: `${file}:1` }] }
  }
}

function readText(text: string, file: string): ParsedDefinition {
  const lines = new LineCounter()
  // Its pretty errors repeat the place, and show the text over several lines.
  const document = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: true,
    prettyErrors: false,
    logLevel: 'error',
  })
  if (document.errors.length > 0)
    return {
      is: 'findings',
      findings: document.errors.map((error) => ({
        code: 'yaml-broken',
        message: error.message,
        where: `${file}:${lines.linePos(error.pos[0]).line}`,
      })),
    }
  const place = (path: readonly PropertyKey[]) =>
    `${file}:${lineOf(document, lines, path)} ${printPath(path)}`.trimEnd()
  const version = document.get('apiVersion')
  // Told alone: what else this form has, only a newer schema knows.
  if (typeof version === 'string' && version !== apiVersion && /^ashlar\/v\d+$/.test(version))
    return { is: 'findings', findings: [versionFinding(version, place(['apiVersion']))] }
  const result = definitionSchema.safeParse(document.toJS({ maxAliasCount: 100 }))
  if (result.success) return { is: 'definition', definition: result.data, place }
  return {
    is: 'findings',
    findings: result.error.issues.flatMap((issue) => findingsOf(issue, document, place)),
  }
}

function versionFinding(version: string, where: string): Finding {
  return {
    code: 'version-unknown',
    message: `${version} is a form that this Ashlar does not know; it reads ${apiVersion}`,
    where,
    hint: `use a newer Ashlar (ashlar --version tells which this is), or write the definition as ${apiVersion}`,
  }
}

/** The counter that orders this release among its image's. */
export function counterOf(definition: Definition): number {
  return definition.spec.counter ?? counterOfVersion(definition.metadata.version)
}

/** The floor as a counter; a version stands for the counter derived from it. */
export function floorOf(definition: Definition): number {
  const { floor } = definition.spec
  return typeof floor === 'number' ? floor : counterOfVersion(parseVersion(floor))
}

/** JSON Schema (2020-12) of `ashlar.yaml`, for editors. */
export function definitionJsonSchema(): object {
  return z.toJSONSchema(definitionSchema, { io: 'input', unrepresentable: 'any' })
}

type Issue = z.core.$ZodIssue

function findingsOf(
  issue: Issue,
  document: Document,
  place: (path: readonly PropertyKey[]) => string,
): Finding[] {
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(issue.path)
    return issue.keys.map((key) => {
      const nearest = known.length === 0 ? undefined : closest(key, known)
      const near = nearest !== undefined && distance(key, nearest) <= Math.max(2, key.length / 2)
      return {
        code: 'unknown-key',
        message: `unknown key ${JSON.stringify(key)}${near ? `; did you mean ${JSON.stringify(nearest)}?` : ''}`,
        where: place([...issue.path, key]),
        ...(known.length > 0 && { hint: `known here: ${known.join(', ')}` }),
      }
    })
  }
  // A union reports each of its branches; the branch that got furthest is the one that was meant.
  if (issue.code === 'invalid_union') {
    const branches = issue.errors.filter((branch) => branch.length > 0)
    const meant = branches.toSorted((a, b) => severity(a) - severity(b))[0]
    if (meant !== undefined)
      return meant.flatMap((inner) =>
        findingsOf({ ...inner, path: [...issue.path, ...inner.path] } as Issue, document, place),
      )
  }
  const missing = issue.code === 'invalid_type' && !document.hasIn(issue.path as unknown[])
  return [
    {
      code: missing ? 'key-missing' : 'value-invalid',
      message: missing ? `${String(issue.path.at(-1))} is missing` : issue.message,
      where: place(issue.path),
    },
  ]
}

function severity(issues: readonly Issue[]): number {
  return issues.reduce(
    (sum, issue) => sum + (issue.code === 'unrecognized_keys' ? 2 * issue.keys.length : 1),
    0,
  )
}

/** The keys that the schema knows at a path; none where a path leads through a union. */
function keysAt(path: readonly PropertyKey[]): string[] {
  let schema: unknown = definitionSchema
  for (const step of path) {
    schema = unwrap(schema)
    if (schema instanceof z.ZodObject) schema = (schema.shape as Record<string, unknown>)[String(step)]
    else if (schema instanceof z.ZodArray) schema = schema.element
    else return []
  }
  const last = unwrap(schema)
  if (last instanceof z.ZodObject) return Object.keys(last.shape as object)
  if (last instanceof z.ZodUnion)
    return [
      ...new Set(
        last.options.flatMap((o) => (o instanceof z.ZodObject ? Object.keys(o.shape as object) : [])),
      ),
    ]
  return []
}

function unwrap(schema: unknown): unknown {
  let inner = schema
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault || inner instanceof z.ZodOptional)
    inner = inner.unwrap()
  return inner
}

/** Line (from 1) of the deepest part of `path` that the text has; of the key, where the last step is a key. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true)
    const step = path[length - 1]
    const pair = isMap(parent)
      ? parent.items.find((item) => isPair(item) && String(item.key) === String(step))
      : undefined
    const node = pair !== undefined ? pair.key : document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range != null) return lines.linePos(node.range[0]).line
  }
  return 1
}

/** `spec.packages[3]` */
function printPath(path: readonly PropertyKey[]): string {
  return path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i === 0 ? '' : '.'}${String(step)}`))
    .join('')
}
