import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build, type Metafile, type Plugin } from 'esbuild'

const root = resolve(import.meta.dirname, '..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

interface Bundle {
  readonly entry: string
  /** The packages whose code may be in it; absent where all that the product depends on may be. */
  readonly packages?: readonly string[]
  readonly bytesMax: number
}

const bundles: Readonly<Record<string, Bundle>> = {
  // Nothing is installed on a node: what the agent is made of is in its one file, and is no more than this.
  agent: { entry: 'src/agent/main.ts', packages: ['canonicalize', 'jose', 'zod'], bytesMax: 1_000_000 },
  launcher: {
    entry: 'src/machines/launcher/main.ts',
    packages: ['canonicalize', 'zod'],
    bytesMax: 1_000_000,
  },
  cli: { entry: 'src/cli/main.ts', bytesMax: 4_000_000 },
}

/** Packages in the older module format ask for Node's built-ins by `require`, which a module does not have by itself. */
const requireForPackages =
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

/**
 * `import { z }` names zod's whole namespace as one value, and the bundler must keep all of it: every schema, every
 * language. Written as a namespace import, what is not used falls away: a third of the size, and a start that is
 * faster by a quarter, three times a boot.
 */
const zodByName: Plugin = {
  name: 'zod-by-name',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => ({
      loader: 'ts',
      contents: readFileSync(path, 'utf8').replace("import { z } from 'zod'", "import * as z from 'zod'"),
    })),
}

const shipped = new Set<string>()
for (const [name, { entry, packages, bytesMax }] of Object.entries(bundles)) {
  const outfile = `dist/${name}.js`
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    define: { ASHLAR_VERSION: JSON.stringify(version) },
    banner: {
      js: `// Ashlar ${version}, Apache-2.0. Made by script/bundle.\n${name === 'cli' ? requireForPackages : ''}`,
    },
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    plugins: [zodByName],
  })
  const bytes = metafile.outputs[outfile]?.bytes ?? Number.POSITIVE_INFINITY
  const used = packagesIn(metafile)
  for (const one of used) shipped.add(one)
  const strangers = packages === undefined ? [] : used.filter((name) => !packages.includes(name))
  if (strangers.length > 0)
    throw new Error(`${outfile} holds packages that are not allowed in it: ${strangers.join(', ')}`)
  if (bytes > bytesMax) throw new Error(`${outfile} has ${bytes} bytes, and may have ${bytesMax}`)
  process.stdout.write(`${outfile} ${bytes} bytes: ${used.join(', ')}\n`)
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
