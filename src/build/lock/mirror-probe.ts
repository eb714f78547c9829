import { join } from 'node:path'
import type { Definition } from '../../core/index.ts'
import type { Sys } from '../../sys/index.ts'
import type { Archive } from '../debian/index.ts'
import { probeTimeoutMs } from '../limits.ts'
import { archiveFault, silentFault } from './archive-fault.ts'
import { findMirrors, pocketsOf } from './mirrors.ts'

/**
 * Asks the mirror of an archive for its first index, as a lock would: by apt, and so through the host's proxy. Returns the
 * name of the pocket that was had; nothing is kept in `folder`, and nothing is judged but that it is an index.
 * @throws BuildError `mirror-unknown`, `archive-…`, at the latest after {@link probeTimeoutMs}
 */
export async function probeMirror(
  sys: Sys,
  base: Definition['spec']['base'],
  archive: Archive,
  folder: string,
): Promise<string> {
  const mirrors = await findMirrors(sys, base)
  const pocket = pocketsOf(base.debian).find((one) => one.archive === archive)?.name ?? base.debian
  const uri = `${mirrors[archive].replace(/\/+$/, '')}/dists/${pocket}/InRelease`
  const work = await sys.disk.mkdtemp(join(folder, 'ashlar-mirror-'))
  try {
    const target = join(work, 'InRelease')
    await fetchInTime(sys, uri, target, work)
    const text = await sys.disk.readFile(target, 'utf8')
    if (!text.startsWith('-----BEGIN PGP SIGNED MESSAGE-----'))
      throw archiveFault(`E: ${uri}: Clearsigned file isn't valid`, work).error
    return pocket
  } finally {
    await sys.disk.rm(work, { recursive: true, force: true })
  }
}

/** What timeout(1) ends with when the time was over. */
const overExitCode = 124

/** timeout(1) ends all that apt started: what waits for the answer to a name would outlive apt, and be waited for. */
async function fetchInTime(sys: Sys, uri: string, target: string, folder: string): Promise<void> {
  const limit = ['--kill-after=1', String(probeTimeoutMs / 1_000)]
  const apt = ['/usr/lib/apt/apt-helper', 'download-file', '-qq', '-o', 'Acquire::Retries=0', uri, target]
  const { exitCode, stderr } = await sys.exec.run('timeout', [...limit, 'env', 'LC_ALL=C.UTF-8', ...apt])
  if (exitCode === overExitCode) throw silentFault(uri, folder).error
  if (exitCode !== 0) throw archiveFault(stderr, folder).error
}
