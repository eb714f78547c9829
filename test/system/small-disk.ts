import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file system of its own that is soon full: ext4 on a loop device, or tmpfs. */
export interface SmallDisk {
  readonly folder: string
  /** Writes a file until nothing more fits. */
  fill(): void
  /** Takes that file away. */
  empty(): void
  remove(): void
}

export function smallDisk(megabytes: number, kind: 'ext4' | 'tmpfs' = 'ext4'): SmallDisk {
  const work = mkdtempSync(join(tmpdir(), 'ashlar-small-'))
  const folder = join(work, 'disk')
  mkdirSync(folder)
  if (kind === 'tmpfs')
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0755`, 'tmpfs', folder])
  else {
    const image = join(work, 'image')
    closeSync(openSync(image, 'w'))
    truncateSync(image, megabytes * 1024 * 1024)
    // No room that is kept for root: the tests are root.
    execFileSync('mkfs.ext4', ['-q', '-m', '0', '-O', '^has_journal', image])
    execFileSync('mount', ['-o', 'loop', image, folder])
  }
  const ballast = join(folder, 'ballast')
  return {
    folder,
    fill() {
      const file = openSync(ballast, 'a')
      try {
        // Down to the last block: the smaller pieces take what the larger ones left.
        for (const size of [1024 * 1024, 4096, 1]) writeAll(file, Buffer.alloc(size))
      } finally {
        closeSync(file)
      }
      execFileSync('sync', ['--file-system', folder])
    },
    empty: () => rmSync(ballast, { force: true }),
    remove() {
      execFileSync('umount', [folder])
      rmSync(work, { recursive: true })
    },
  }
}

function writeAll(file: number, piece: Buffer): void {
  try {
    while (writeSync(file, piece) === piece.length);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}
