import type { LockedPackage } from '../../core/index.ts'
import type { Sys } from '../../sys/index.ts'
import { archiveLimits } from '../limits.ts'
import { type ReadAt, readArMembers } from './ar.ts'
import { type Refuse, refusePackage } from './hostile.ts'
import { judgeEntries, type PackageContents } from './package-contents.ts'
import { readTar, type TarEntry } from './tar.ts'

type Identity = Pick<LockedPackage, 'name' | 'version' | 'architecture'>

/**
 * Judges a package before anything of it is unpacked, and tells what it would bring. Whoever signs an archive signs
 * names and hashes, not what lies in the files. @throws BuildError `archive-hostile`
 */
export async function readDebianPackage(sys: Sys, file: string, wanted: Identity): Promise<PackageContents> {
  const refuse = refusePackage(wanted)
  await judgeContainer(sys, file, refuse)
  await judgeControl(sys, file, wanted, refuse)
  return await withTar(sys, file, 'fsys', refuse, (chunks) => judgeEntries(readTar(chunks, refuse), refuse))
}

async function judgeContainer(sys: Sys, file: string, refuse: Refuse): Promise<void> {
  const handle = await sys.disk.open(file, 'r')
  try {
    const read: ReadAt = async (position, length) => {
      const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(length), position })
      return buffer.subarray(0, bytesRead)
    }
    await readArMembers(read, (await handle.stat()).size, refuse)
  } finally {
    await handle.close()
  }
}

/** The control archive is flat, and its fields are those that the lock was made from. */
async function judgeControl(sys: Sys, file: string, wanted: Identity, refuse: Refuse): Promise<void> {
  let control: TarEntry | undefined
  const isControl = ({ name, kind }: TarEntry) => kind === 'file' && /^(\.\/)?control$/.test(name)
  const { entries } = await withTar(sys, file, 'ctrl', refuse, (chunks) => {
    const found = async function* () {
      for await (const entry of readTar(chunks, refuse, isControl)) {
        if (isControl(entry)) control = entry
        yield entry
      }
    }
    return judgeEntries(found(), refuse)
  })
  const odd = entries.find(({ path, kind }) => path !== '' && (kind !== 'file' || path.includes('/')))
  if (odd !== undefined) throw refuse('does not belong into a control archive', odd.path)
  judgeFields(new TextDecoder().decode(control?.content), wanted, refuse)
}

/** dpkg compares names of fields without regard to case, and one that comes twice is one that two readers read differently. */
export function judgeFields(text: string, wanted: Identity, refuse: Refuse): void {
  const lines = text.split('\n')
  while (lines.at(-1) === '') lines.pop()
  const values = new Map<string, string>()
  for (const line of lines) {
    const [, name, value] = /^([^\s:]+):(.*)$/.exec(line) ?? []
    if (name === undefined && !/^[ \t]+\S|^#/.test(line))
      throw refuse('has a control file that cannot be read')
    if (name === undefined) continue
    const key = name.toLowerCase()
    if (values.has(key)) throw refuse(`names its ${name} twice`)
    values.set(key, (value ?? '').trim())
  }
  for (const [key, expected] of [
    ['package', wanted.name],
    ['version', wanted.version],
    ['architecture', wanted.architecture],
  ] as const)
    if (values.get(key) !== expected)
      throw refuse(
        `says of itself ${key} ${JSON.stringify(values.get(key) ?? '')}, not ${JSON.stringify(expected)}`,
      )
}

/**
 * What dpkg-deb unpacks is read from dpkg-deb, so that what is judged is what is extracted; its memory is bounded, for an
 * xz header may ask for gigabytes.
 */
async function withTar<T>(
  sys: Sys,
  file: string,
  part: 'fsys' | 'ctrl',
  refuse: Refuse,
  work: (chunks: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  const limits = [`--as=${archiveLimits.decompressorBytesMax}`, '--core=0']
  const running = await sys.exec.spawn('prlimit', [...limits, '--', 'dpkg-deb', `--${part}-tarfile`, file], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', DPKG_DEB_THREADS_MAX: '1' },
  })
  const complaint = lastWords(running.stderr)
  try {
    const result = await work(running.stdout)
    const { exitCode } = await running.exited
    if (exitCode !== 0) throw refuse(`cannot be unpacked: ${await complaint}`)
    return result
  } finally {
    running.kill('SIGKILL')
  }
}

async function lastWords(stderr: AsyncIterable<Uint8Array>): Promise<string> {
  let words = ''
  for await (const chunk of stderr) words = (words + new TextDecoder().decode(chunk)).slice(-1000)
  return words.trim()
}
