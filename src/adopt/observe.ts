import type { Progress } from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import { AdoptError } from './errors.ts'
import type { Facts } from './facts.ts'
import { factsBytesMax } from './limits.ts'
import { factsOf, rowsOf } from './read-facts.ts'
import { contentScript, factsScript } from './script.ts'
import { shellOf, type Target } from './target.ts'

export interface Observing {
  readonly sys: Sys
  readonly target: Target
  readonly progress: Progress
  readonly signal?: AbortSignal
}

/** The steps that the script announces. */
const steps = factsScript.match(/^step '/gm)?.length ?? 0

/** Asks a system what it is, without changing it. @throws AdoptError */
export async function observe(observing: Observing): Promise<Facts> {
  let seen = 0
  const text = await runThere(observing, factsScript, (line) => {
    if (line.startsWith('step\t'))
      observing.progress({ step: 'look at the system', done: seen++, total: steps, unit: 'items' })
  })
  observing.progress({ step: 'look at the system', done: steps, total: steps, unit: 'items' })
  const rows = rowsOf(text)
  const fault = rows.get('fault')?.[0]
  if (fault !== undefined) throw faultError(fault, observing.target)
  requireEnd(rows, observing.target)
  return factsOf(rows)
}

/** The content of these files; of those that everyone on the system may read, and of no other. */
export async function readFiles(
  observing: Observing,
  paths: readonly string[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  if (paths.length === 0) return new Map()
  let done = 0
  const progress = () => observing.progress({ step: 'read files', done, total: paths.length, unit: 'items' })
  const text = await runThere(observing, contentScript(paths), (line) => {
    if (!line.startsWith('file\t')) return
    if (++done < paths.length) progress()
  })
  done = paths.length
  progress()
  const rows = rowsOf(text)
  requireEnd(rows, observing.target)
  return new Map(
    (rows.get('file') ?? []).map((row) => {
      const [path = '', content = ''] = row.split('\t')
      return [path, Buffer.from(content, 'base64')]
    }),
  )
}

/** A cut connection must not pass for a small system. */
function requireEnd(rows: ReadonlyMap<string, unknown>, target: Target): void {
  if (rows.has('end')) return
  throw new AdoptError('observation-broken', 'the answer of the system ended in the middle', {
    where: nameOf(target),
    hint: 'try again; over a bad line run ashlar adopt / on the machine itself',
  })
}

/** Runs a script there and gives all that it printed. @throws AdoptError `host-unreachable`, `host-refused`, `observation-broken` */
async function runThere(
  { sys, target, signal }: Observing,
  script: string,
  onLine: (line: string) => void,
): Promise<string> {
  const { program, args } = shellOf(target)
  const child = await sys.exec.spawn(program, args, {
    stdin: Buffer.from(script),
  })
  // ssh stays in the terminal's group, where it may ask for a password, and starts nothing.
  const end = () => void sys.exec.kill(target.is === 'folder' ? -child.pid : child.pid, 'SIGKILL')
  signal?.addEventListener('abort', end, { once: true })
  if (signal?.aborted) end()
  const complaints = lastOf(child.stderr)
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  let rest = ''
  for await (const chunk of child.stdout) {
    chunks.push(chunk)
    sizeBytes += chunk.length
    if (sizeBytes > factsBytesMax) {
      end()
      throw new AdoptError('observation-broken', 'the system tells of itself without an end', {
        where: nameOf(target),
      })
    }
    const lines = (rest + Buffer.from(chunk).toString('latin1')).split('\n')
    rest = (lines.pop() ?? '').slice(0, 4096)
    for (const line of lines) onLine(line)
  }
  const { exitCode } = await child.exited
  signal?.removeEventListener('abort', end)
  signal?.throwIfAborted()
  const said = await complaints
  if (target.is === 'host' && exitCode === 255) throw sshError(target.host, said)
  if (exitCode !== 0)
    throw new AdoptError(
      'observation-broken',
      `the script ended with exit code ${exitCode}: ${lastLine(said)}`,
      {
        where: nameOf(target),
      },
    )
  // What a system says of itself is shown on a terminal.
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/[^\P{Cc}\t\n]/gu, '?')
}

async function lastOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const chunk of stream) text = (text + Buffer.from(chunk).toString('utf8')).slice(-4096)
  return text
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? ''
}

export function nameOf(target: Target): string {
  return target.is === 'host' ? target.host : target.folder
}

/** ssh has one exit code for all that is its own fault; only its words tell which. */
export function sshError(host: string, said: string): AdoptError {
  const why = lastLine(said)
  if (/Permission denied|Host key verification failed|Too many authentication failures/.test(said))
    return new AdoptError('host-refused', `ssh did not get in: ${why}`, {
      where: host,
      hint: `see that this works: ssh ${host} true`,
    })
  return new AdoptError('host-unreachable', `ssh did not reach it: ${why}`, {
    where: host,
    hint: `is the name right, and is it on? ssh -v ${host} true`,
  })
}

function faultError(fault: string, target: Target): AdoptError {
  const where = nameOf(target)
  switch (fault) {
    case 'no-folder':
      return new AdoptError('file-missing', 'there is no such folder', {
        where,
        hint: `see what is there: ls -ld ${where}`,
      })
    case 'unreadable':
      return new AdoptError('permission-denied', 'this user may not read that root', {
        where,
        hint: 'run it with sudo',
      })
    default:
      return new AdoptError('not-debian', 'there is no dpkg database: this is no Debian system', {
        where: `${where === '/' ? '' : where}/var/lib/dpkg`,
        hint: 'name the root of a Debian system; where its /var is a disk of its own, mount that too',
      })
  }
}
