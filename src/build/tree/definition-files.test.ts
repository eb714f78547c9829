import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { realSys } from '../../sys/index.ts'
import { filesDigest, layFiles } from './definition-files.ts'
import { LaidTree } from './laid-tree.ts'

let work: string
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'ashlar-files-'))
  mkdirSync(join(work, 'rootfs/etc'), { recursive: true })
  writeFileSync(join(work, 'rootfs/etc/motd'), 'as it was asked for')
  writeFileSync(join(work, 'rootfs/run'), '#!/bin/sh', { mode: 0o755 })
})
afterEach(() => rmSync(work, { recursive: true }))

const layers = [{ from: 'rootfs/', to: '/', owner: 'root:root', directoryMode: '0755' }] as const

async function lay(digest: Awaited<ReturnType<typeof filesDigest>>) {
  const upper = mkdtempSync(join(work, 'upper-'))
  mkdirSync(join(upper, 'etc'))
  writeFileSync(join(upper, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
  writeFileSync(join(upper, 'etc/group'), 'root:x:0:\n')
  await layFiles(realSys, new LaidTree(realSys, upper), { folder: work, layers, digest })
}

test('files that are as they were when their digest was taken are laid', async () => {
  await lay(await filesDigest(realSys, work, layers))
})

test('a file that was changed since is refused: it would be kept under the digest of another', async () => {
  const digest = await filesDigest(realSys, work, layers)
  writeFileSync(join(work, 'rootfs/etc/motd'), 'as it is meanwhile')
  await expect(lay(digest)).rejects.toMatchObject({ code: 'context-changed' })
})
