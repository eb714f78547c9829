import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build, type Metafile } from 'esbuild'

const root = resolve(import.meta.dirname, '..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

/** Nothing is installed on a node: what the agent is made of is in its one file, and is no more than this. */
const agentPackages = ['canonicalize', 'jose', 'zod']
const agentBytesMax = 1_000_000

const bundles = {
  agent: { entry: 'src/agent/main.ts', packages: agentPackages, bytesMax: agentBytesMax },
} as const

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
    banner: { js: `// Ashlar ${version}, Apache-2.0. Made by script/bundle.` },
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  })
  const bytes = metafile.outputs[outfile]?.bytes ?? Number.POSITIVE_INFINITY
  const strangers = packagesIn(metafile).filter((used) => !packages.some((allowed) => allowed === used))
  if (strangers.length > 0)
    throw new Error(`${outfile} holds packages that are not allowed in it: ${strangers.join(', ')}`)
  if (bytes > bytesMax) throw new Error(`${outfile} has ${bytes} bytes, and may have ${bytesMax}`)
  process.stdout.write(`${outfile} ${bytes} bytes: ${packagesIn(metafile).join(', ')}\n`)
}

/** Packages whose code is in the output, by their folder in node_modules. */
function packagesIn({ outputs }: Metafile): readonly string[] {
  const files = Object.values(outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [file] : [])),
  )
  const names = files.flatMap((file) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? [])
  return [...new Set(names)].toSorted()
}
