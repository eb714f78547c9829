// Builds once and prints the release's digest as JSON; run by tests as a process of its own, in another world than theirs.
import { type BuiltRelease, buildRelease } from '../../../src/build/index.ts'
import { noProgress } from '../../../src/core/index.ts'
import { openContentStore } from '../../../src/oci/index.ts'
import { realSys, type Sys } from '../../../src/sys/index.ts'

interface Order {
  readonly folder: string
  readonly store: string
  readonly cache: string
  /** Given: the folder of libfaketime on the host, which every program inside a chamber is to have too. */
  readonly faketime?: string
}

const order = JSON.parse(process.argv[2] ?? '{}') as Order
/** What `date +%s` said inside the chambers, in each script that ran there. */
const dates: number[] = []
const built: BuiltRelease = await buildRelease({
  sys: order.faketime === undefined ? realSys : withOtherClock(order.faketime),
  folder: order.folder,
  store: await openContentStore(realSys, order.store),
  cacheFolder: order.cache,
  useCache: false,
  progress: noProgress,
})
process.stdout.write(JSON.stringify({ digest: built.digest, dates, date: Date.now() / 1000 }))

/**
 * The build clears the environment of every program in a chamber, so this puts libfaketime's settings, which this process
 * has from its caller, into that environment, and the library where the chamber sees it. Each script tells its date.
 */
function withOtherClock(library: string): Sys {
  const run: Sys['exec']['run'] = async (program, args, options) => {
    const first = args.findIndex((argument) => argument.startsWith('PATH='))
    if (first < 0) return realSys.exec.run(program, args, options)
    const settings = Object.entries(process.env).filter(([name]) => /FAKE/.test(name))
    const inside = [
      ...args.slice(0, first - 1),
      ...['ro', 'faketime', library, '--', 'LD_PRELOAD=/run/ashlar/faketime/libfaketimeMT.so.1'],
      ...settings.map(([name, value]) => `${name}=${value}`),
      ...args.slice(first),
    ]
    const script = inside.findIndex((argument, i) => i > first && argument === '-euc') + 1
    if (script > 0) inside[script] = `echo "date $(date +%s)" >&2\n${inside[script]}`
    const result = await realSys.exec.run(program, inside, options)
    dates.push(...[...result.stderr.matchAll(/^date (\d+)$/gm)].map((match) => Number(match[1])))
    return result
  }
  return { ...realSys, exec: { ...realSys.exec, run } }
}
