import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { node, repository } from './build/fixture.ts'
import { runCommand } from './faults/command.ts'
import { defineContainer } from './faults/lock-fixture.ts'
import { tinyArchive } from './faults/tiny-archive.ts'

let folder: string
let definition: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-faults-chroot-'))
  const archive = await tinyArchive(join(folder, 'archive'))
  definition = defineContainer(join(folder, 'definition'), archive.mirrors, ['hello'])
  await runCommand(['lock', definition], { data: join(folder, 'data'), keyring: archive.keyring })
  await archive.close()
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Enters a folder that sees this host's programs; with `bound`, the folder is a mount point. All in a name space of its own. */
const script = `
bound=$1; folder=$2; clone=$3; shift 3
root=$folder/root
mkdir -p "$root"
[ -z "$bound" ] || mount --bind "$root" "$root"
for path in /usr /etc /proc /dev /sys "$clone" "$folder/data" "$folder/definition"; do
  mkdir -p "$root$path"
  mount --rbind "$path" "$root$path"
done
for name in bin sbin lib lib64; do ln -sfn "usr/$name" "$root/$name"; done
mkdir -p "$root/tmp"
exec chroot "$root" "$@"
`

function buildInside(bound: '' | 'bound') {
  const command = [node, join(repository, 'src/cli/main.ts'), 'build', definition, '--json', '--no-cache']
  return spawnSync(
    'unshare',
    ['--mount', 'sh', '-euc', script, 'sh', bound, folder, repository, ...command],
    {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: '/root', ASHLAR_DATA: join(folder, 'data') },
    },
  )
}

test('in a chroot whose root is no mount point a build says so, and what to do', () => {
  const { stdout, stderr, status } = buildInside('')
  expect(status, stderr).toBe(1)
  expect(JSON.parse(stdout).error).toMatchObject({
    code: 'chroot-bare',
    hint: expect.stringMatching(/mount --bind/),
  })
})

test('in a chroot whose root is one a build succeeds', () => {
  const { stdout, stderr } = buildInside('bound')
  expect(JSON.parse(stdout).digest, stderr).toMatch(/^sha256:/)
  expect(execFileSync('cat', ['/proc/self/mountinfo'], { encoding: 'utf8' })).not.toContain(folder)
})
