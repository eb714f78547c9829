import { AshlarError, architectureOf } from '../../core/index.ts'
import { realSys } from '../../sys/index.ts'
import { readMachine } from '../machine-folder.ts'
import { Launcher } from './launcher.ts'

/** `main.ts FOLDER NAME`, in mount and PID namespaces of its own (see `startMachine`). */
async function main([folder, name]: readonly string[]): Promise<void> {
  if (folder === undefined || name === undefined) throw new Error('usage: launcher FOLDER NAME')
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort())
  // The terminal that started it may go; the machine stays.
  process.on('SIGHUP', () => undefined)
  await Launcher.run({
    sys: realSys,
    folder,
    machine: await readMachine(realSys, folder, name),
    architecture: architectureOf(process.arch),
    stop: stop.signal,
    log,
  })
}

/** Its log may lie on a full disk: then a line is lost, and the machine goes on. */
function log(line: string): void {
  process.stdout.write(`${new Date(realSys.clock.now()).toISOString()} ${line}\n`)
}
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOSPC' && error.code !== 'EDQUOT') throw error
  })

try {
  await main(process.argv.slice(2))
} catch (error) {
  const text = error instanceof AshlarError ? `${error.code}: ${error.message}` : String(error)
  process.stderr.write(`${text}\n`)
  process.exitCode = 1
}
