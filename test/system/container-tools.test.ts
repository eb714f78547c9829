import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCommand } from './faults/command.ts'
import { defineContainer } from './faults/lock-fixture.ts'
import { tinyArchive } from './faults/tiny-archive.ts'

// Others' tools as judges of an image of many layers: what they unpack and run is what was built.

let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-tools-'))
  const archive = await tinyArchive(join(folder, 'archive'))
  try {
    const definition = defineContainer(join(folder, 'small'), archive.mirrors, ['hello'])
    const data = join(folder, 'data')
    await runCommand(['lock', definition], { data, keyring: archive.keyring })
    const { exitCode, stderr } = await runCommand(['build', definition], { data })
    expect(exitCode, stderr).toBe(0)
  } finally {
    await archive.close()
  }
  // umoci wants a layout with one image and no index.
  execFileSync('skopeo', [
    'copy',
    '--quiet',
    `oci:${join(folder, 'data/store/repositories/small')}:1.0.0`,
    flat(),
  ])
})
afterAll(() => rmSync(folder, { recursive: true }))

const flat = () => `oci:${join(folder, 'flat')}:1.0.0`

/** Names, kinds, modes, owners, times and targets. */
function describeTree(tree: string): readonly string[] {
  const format = '%P|%y|%m|%U:%G|%Ts|%l\\n'
  return execFileSync('find', [tree, '-printf', format], { encoding: 'utf8' }).split('\n').toSorted()
}

test('umoci unpacks the same tree as tar', () => {
  const layout = JSON.parse(execFileSync('skopeo', ['inspect', '--raw', flat()], { encoding: 'utf8' }))
  expect(layout.layers.length).toBeGreaterThan(2)
  const tree = join(folder, 'tree')
  mkdirSync(tree)
  for (const { digest } of layout.layers as { digest: string }[])
    execFileSync('tar', ['-xpzf', join(folder, 'flat/blobs', digest.replace(':', '/')), '-C', tree])
  execFileSync('umoci', ['unpack', '--image', flat().replace('oci:', ''), join(folder, 'bundle')])
  expect(describeTree(join(folder, 'bundle/rootfs'))).toEqual(describeTree(tree))
})

test('podman takes the image and starts what it is to run', () => {
  const storage = [
    '--root',
    join(folder, 'podman'),
    '--runroot',
    join(folder, 'run'),
    '--storage-driver',
    'vfs',
  ]
  const podman = (...args: string[]) =>
    execFileSync('podman', [...storage, '--cgroup-manager', 'cgroupfs', '--runtime', 'runc', ...args], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim()
  // It makes the image's name of the path, and a name has no capitals.
  const image = podman('pull', '--quiet', 'oci:flat:1.0.0')
  const isolated = [
    '--rm',
    '--network',
    'none',
    '--ulimit',
    'nofile=1024:1024',
    '--ulimit',
    'nproc=1024:1024',
    '--read-only',
  ]
  expect(podman('run', ...isolated, '--entrypoint', '/bin/cat', image, '/usr/lib/os-release')).toContain(
    'ID=debian',
  )
  expect(podman('run', ...isolated, image)).toBe('')
})
