import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build, type Metafile, type Plugin } from 'esbuild'
import { describeCommit } from '../src/evidence/index.ts'
import { realSys } from '../src/sys/index.ts'
import { writeManPages } from './man.ts'

const root = resolve(import.meta.dirname, '..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

interface Bundle {
  readonly entry: string
  /** The packages whose code may be in it; absent where all that the product depends on may be. */
  readonly packages?: readonly string[]
  readonly bytesMax: number
  readonly splitting?: true
}

const bundles: Readonly<Record<string, Bundle>> = {
  // Nothing is installed on a node: what the agent is made of is in its one file, and is no more than this.
  agent: { entry: 'src/agent/main.ts', packages: ['canonicalize', 'jose', 'zod'], bytesMax: 1_000_000 },
  launcher: {
    entry: 'src/machines/launcher/main.ts',
    packages: ['canonicalize', 'zod'],
    bytesMax: 1_000_000,
  },
  // Each command is a part of its own, which is read when it is called.
  cli: { entry: 'src/cli/main.ts', bytesMax: 4_000_000, splitting: true },
}

/** Packages in the older module format ask for Node's built-ins by `require`, which a module does not have by itself. */
const requireForPackages =
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

/**
 * `import { z }` names zod's whole namespace as one value, and the bundler must keep all of it: every schema, every
 * language. Written as a namespace import, what is not used falls away: a third of the size, and a start that is
 * faster by a quarter, three times a boot. For the same reason what a folder's face passes on is named where it is: the
 * bundler gives who imports one name of a face all that stands behind it, and `ashlar --version` would read every schema.
 */
const nearer: Plugin = {
  name: 'nearer',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => ({
      loader: 'ts',
      contents: readFileSync(path, 'utf8')
        .replace("import { z } from 'zod'", "import * as z from 'zod'")
        .replaceAll(
          /^import \{([^}]*)\} from '(\.\.\/[^']+\/)index\.ts'/gm,
          (_, names: string, face: string) =>
            listOf(names)
              .map((name) => `import { ${name} } from '${face}${sourceIn(resolve(path, '..', face), name)}'`)
              .join('\n'),
        ),
    })),
}

/** `a`, `type B` and `c as d` of an import or export list. */
function listOf(names: string): readonly string[] {
  return names.split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]))
}

/** The file that a folder's face has a name from. */
function sourceIn(face: string, name: string): string {
  const own = (text: string) => text.replace(/^type /, '').replace(/ as .*$/, '')
  const exports = readFileSync(join(face, 'index.ts'), 'utf8').matchAll(
    /^export (?:type )?\{([^}]*)\} from '\.\/([^']+)'/gm,
  )
  for (const [, names = '', file = ''] of exports) if (listOf(names).map(own).includes(own(name))) return file
  return 'index.ts'
}

const shipped = new Set<string>()
for (const [name, { entry, packages, bytesMax, splitting = false }] of Object.entries(bundles)) {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { [name]: entry },
    outdir: 'dist',
    splitting,
    chunkNames: `${name}-[name]-[hash]`,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    define: { ASHLAR_VERSION: JSON.stringify(version), ASHLAR_COMMIT: await commitText() },
    banner: {
      js: `// Ashlar ${version}, Apache-2.0. Made by script/bundle.\n${name === 'cli' ? requireForPackages : ''}`,
    },
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    plugins: [nearer],
  })
  const outfile = `dist/${name}.js`
  const bytes = Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0)
  removeParts(name, Object.keys(metafile.outputs))
  const used = packagesIn(metafile)
  for (const one of used) shipped.add(one)
  const strangers = packages === undefined ? [] : used.filter((name) => !packages.includes(name))
  if (strangers.length > 0)
    throw new Error(`${outfile} holds packages that are not allowed in it: ${strangers.join(', ')}`)
  if (bytes > bytesMax) throw new Error(`${outfile} has ${bytes} bytes, and may have ${bytesMax}`)
  process.stdout.write(`${outfile} ${bytes} bytes: ${used.join(', ')}\n`)
}

process.stdout.write(`dist/man ${await writeManPages(root, join(root, 'dist/man'))} pages\n`)

/** The commit that is bundled, and whether it is all that is. */
async function commitText(): Promise<string> {
  const found = await describeCommit(realSys.exec, root)
  return found === undefined ? 'undefined' : JSON.stringify({ commit: found.commit, dirty: found.dirty })
}

/** Parts that earlier runs left. */
function removeParts(name: string, made: readonly string[]): void {
  for (const file of readdirSync(join(root, 'dist')))
    if (file.startsWith(`${name}-`) && !made.includes(`dist/${file}`)) rmSync(join(root, 'dist', file))
}

// Their licences ask that the notice goes where the code goes.
const notices = [...shipped].toSorted().map((name) => `== ${name}\n\n${licenceOf(name)}`)
writeFileSync(join(root, 'dist/licences.txt'), notices.join('\n'))

function licenceOf(name: string): string {
  const folder = join(root, 'node_modules', name)
  const file = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file))
  if (file !== undefined) return readFileSync(join(folder, file), 'utf8')
  const { license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { license?: string }
  if (license === undefined) throw new Error(`the package ${name} names no licence`)
  return `${license}\n`
}

/** Packages whose code is in the output, by their folder in node_modules. */
function packagesIn({ outputs }: Metafile): readonly string[] {
  const files = Object.values(outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [file] : [])),
  )
  const names = files.flatMap((file) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? [])
  return [...new Set(names)].toSorted()
}
