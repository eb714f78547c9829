import type { ExecResult, Sys } from '../../sys/index.ts'
import { BuildError } from '../errors.ts'

/** Lines that a program's last words are cut to. */
const lastLines = 20
/** Less than this, and no program of a build gets far. */
const roomBytesMin = 64 * 1024

/**
 * A program that failed, as an error with its last words; where these tell of something that a person can mend, with
 * the code and the command for that. `where` is the folder that it worked in.
 */
export async function toolFailure(
  sys: Sys,
  program: string,
  { exitCode, stdout, stderr }: ExecResult,
  where: string,
): Promise<BuildError> {
  // Not every program says so: an overlay whose disk is full is read-only.
  if (/No space left on device|Disk quota exceeded/.test(stderr) || (await isFull(sys, where)))
    return new BuildError('disk-full', `the disk was full before ${program} had ended`, {
      where,
      hint: `make room, see df -h ${where}; then run the command again`,
    })
  // unshare(1) makes every mount its own, which the kernel refuses where the root is no mount.
  if (stderr.includes('cannot change root filesystem propagation'))
    return new BuildError(
      'chroot-bare',
      'this is a chroot whose root is no mount point, so that nothing can be mounted',
      {
        where: '/',
        hint: 'outside, before chroot: mount --bind FOLDER FOLDER; or enter it with systemd-nspawn -D FOLDER',
      },
    )
  const words = [...new TextDecoder().decode(stdout).split('\n'), ...stderr.split('\n')]
  return new BuildError(
    'tool-failed',
    `${program} ended with exit code ${exitCode}:\n${words.filter(Boolean).slice(-lastLines).join('\n')}`,
    { where },
  )
}

async function isFull(sys: Sys, folder: string): Promise<boolean> {
  const { bavail, bsize } = await sys.disk.statfs(folder)
  return bavail * bsize < roomBytesMin
}
