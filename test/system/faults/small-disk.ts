import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'

export interface SmallDisk {
  readonly folder: string
  remove(): void
}

/** A disk of its own, mounted at `folder`. */
export function smallDisk(folder: string, mebibytes: number): SmallDisk {
  const file = `${folder}.ext4`
  writeFileSync(file, '')
  truncateSync(file, mebibytes * 2 ** 20)
  execFileSync('mkfs.ext4', ['-q', '-m', '0', file])
  mkdirSync(folder)
  execFileSync('mount', ['-o', 'loop', file, folder])
  return {
    folder,
    remove() {
      execFileSync('umount', [folder])
      rmSync(file)
    },
  }
}
