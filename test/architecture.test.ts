import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')
const pure = new Set(['crypto', 'zlib', 'stream', 'stream/promises', 'buffer', 'path', 'path/posix'])
/** Where the real world is handed in. */
const compositionRoots = new Set(['src/cli/main.ts', 'src/agent/main.ts', 'src/machines/launcher/main.ts'])

interface Row {
  readonly imports: ReadonlySet<string>
  readonly builtins: (name: string) => boolean
  readonly packages: ReadonlySet<string>
}

/** The table of ARCHITECTURE.md, "Folders and arrows". */
function readTable(): Map<string, Row> {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
  const rows = text.split('\n').flatMap((line) => {
    const [, folder, , imports, builtins, packages] = line.split('|').map((cell) => cell.trim())
    const name = folder?.match(/^`([a-z]+(?:\/[a-z]+)?)`$/)?.[1]
    return name !== undefined && packages !== undefined ? [[name, imports, builtins, packages] as const] : []
  })
  const all = rows.map(([name]) => name)
  const list = (cell: string | undefined) =>
    (cell ?? '')
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '' && item !== '—')
  return new Map(
    rows.map(([name, imports, builtins, packages]) => {
      const allowed = list(builtins)
      return [
        name,
        {
          imports: new Set(imports === 'all' ? all : list(imports)),
          builtins: (built) =>
            allowed.some((a) => a === 'all' || a === built || (a === 'pure' && pure.has(built))),
          packages: new Set(list(packages)),
        },
      ]
    }),
  )
}

interface Import {
  readonly file: string
  readonly specifier: string
  readonly typeOnly: boolean
  /** Loaded when it is needed. */
  readonly lazy?: boolean
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8')
  const found = text.matchAll(
    /^(?:import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/gms,
  )
  return [...found].map((match) => ({
    file,
    specifier: match[2] ?? match[3] ?? '',
    typeOnly: match[1] !== undefined,
    lazy: match[3] !== undefined,
  }))
}

const table = readTable()
const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => `src/${path}`)
const isTest = (file: string) => file.endsWith('.test.ts')
/** The row that a file stands in: a folder's, or, where that has rooms of its own, the room's. */
function folderOf(file: string): string {
  const [, folder = '', room = ''] = file.split('/')
  return table.has(`${folder}/${room}`) ? `${folder}/${room}` : folder
}
/** What a folder's rooms may take from it: it imports nothing of them. */
const common = new Set(['errors.ts', 'limits.ts'])

/** What an import breaks, or nothing. */
function judge(use: Import): string | undefined {
  const folder = folderOf(use.file)
  const row = table.get(folder)
  if (row === undefined) return `the folder ${folder} is not in the table`
  if (use.specifier.startsWith('.')) {
    const target = relative(root, resolve(root, dirname(use.file), use.specifier))
    if (target === 'package.json')
      return folder === 'cli' ? undefined : 'only the command line knows its version'
    if (!target.startsWith('src/')) return 'leads out of src'
    const other = folderOf(target)
    if (other === folder) return undefined
    if (folder.startsWith(`${other}/`) && common.has(target.slice(`src/${other}/`.length))) return undefined
    const outside = other.includes('/') && other.split('/')[0] !== folder.split('/')[0]
    if (target !== `src/${other}/index.ts` || outside)
      return `reaches past the face of ${other.split('/')[0]}`
    if (other === 'sys')
      return use.typeOnly || compositionRoots.has(use.file) || folder === 'testing'
        ? undefined
        : 'takes a value from sys'
    if (other.startsWith(`${folder}/`)) return undefined
    return row.imports.has(other) ? undefined : `${folder} may not import ${other}`
  }
  const name = use.specifier.replace(/^node:/, '')
  if (use.specifier.startsWith('node:') || builtinModules.includes(name))
    return use.typeOnly || row.builtins(name) ? undefined : `${folder} may not use the built-in ${name}`
  const parts = use.specifier.split('/')
  const packageName = use.specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '')
  return row.packages.has(packageName) ? undefined : `${folder} may not use the package ${packageName}`
}

describe('folders and arrows', () => {
  test('the table is read', () => {
    expect(table.size).toBeGreaterThan(10)
    expect(table.get('core')?.imports.size).toBe(0)
  })

  test('a forbidden import is found', () => {
    expect(judge({ file: 'src/core/x.ts', specifier: 'node:fs', typeOnly: false })).toMatch(/built-in fs/)
    expect(judge({ file: 'src/core/x.ts', specifier: '../oci/index.ts', typeOnly: false })).toMatch(
      /may not import oci/,
    )
    expect(judge({ file: 'src/oci/x.ts', specifier: '../core/digest.ts', typeOnly: false })).toMatch(
      /past the face/,
    )
    expect(judge({ file: 'src/oci/x.ts', specifier: '../sys/index.ts', typeOnly: false })).toMatch(
      /value from sys/,
    )
    expect(judge({ file: 'src/oci/x.ts', specifier: 'left-pad', typeOnly: false })).toMatch(
      /package left-pad/,
    )
    expect(judge({ file: 'src/oci/x.ts', specifier: '../sys/index.ts', typeOnly: true })).toBeUndefined()
  })

  test('a room reaches neither back into its folder nor into a room that its row does not name', () => {
    const from = (specifier: string) => judge({ file: 'src/build/debian/x.ts', specifier, typeOnly: false })
    expect(from('../errors.ts')).toBeUndefined()
    expect(from('../build-release.ts')).toMatch(/past the face of build/)
    expect(from('../index.ts')).toMatch(/may not import build/)
    expect(from('../lock/index.ts')).toMatch(/may not import build\/lock/)
    expect(judge({ file: 'src/build/x.ts', specifier: './lock/apt.ts', typeOnly: false })).toMatch(
      /past the face/,
    )
    expect(judge({ file: 'src/cli/x.ts', specifier: '../build/lock/index.ts', typeOnly: false })).toMatch(
      /past the face of build/,
    )
  })

  test('every import of the product follows the table', () => {
    const uses = sources.filter((file) => !isTest(file)).flatMap(importsOf)
    expect(uses.length).toBeGreaterThan(20)
    const broken = uses.flatMap((use) => {
      const why = judge(use)
      return why === undefined ? [] : [`${use.file} imports ${use.specifier}: ${why}`]
    })
    expect(broken).toEqual([])
  })

  test('no import leads back to where it began', () => {
    const targets = new Map(
      sources.map((file) => [
        file,
        importsOf(file)
          .filter(({ specifier, typeOnly, lazy }) => specifier.startsWith('.') && !typeOnly && !lazy)
          .map(({ specifier }) => relative(root, resolve(root, dirname(file), specifier))),
      ]),
    )
    const done = new Set<string>()
    const circleFrom = (file: string, way: readonly string[]): readonly string[] | undefined => {
      if (way.includes(file)) return [...way.slice(way.indexOf(file)), file]
      if (done.has(file)) return undefined
      for (const target of targets.get(file) ?? []) {
        const circle = circleFrom(target, [...way, file])
        if (circle !== undefined) return circle
      }
      done.add(file)
      return undefined
    }
    const circles = sources.flatMap((file) => circleFrom(file, [])?.join(' → ') ?? [])
    expect([...new Set(circles)]).toEqual([])
  })

  test('every folder in src has a row, and says in its first line what it is', () => {
    for (const folder of new Set(sources.map(folderOf))) {
      expect(table.has(folder), folder).toBe(true)
      const face = readFileSync(join(root, 'src', folder, 'index.ts'), 'utf8')
      expect(face.split('\n')[0], `${folder}/index.ts`).toMatch(/^\/\/ \S.{20,}/)
    }
  })
})
