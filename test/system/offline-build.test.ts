import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { buildShared, lockedStore, makeDefinition, node, repository, shared } from './build/fixture.ts'

/** libstdc++6 is there for Node; everything else that a build runs is in the lock. */
const minbase = join(shared, 'minbase.tar')
function makeMinbase(): void {
  const unfinished = join(folder, 'minbase.tar')
  execFileSync('mmdebstrap', ['--variant=minbase', '--include=libstdc++6', 'bookworm', unfinished])
  renameSync(unfinished, minbase)
}

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(shared, 'offline-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Enters a minimal Debian, in name spaces of its own and without a network, with the clone and the shared folder at their usual places. */
const enterScript = `
root=$1; clone=$2; shared=$3; shift 3
mount --bind "$root" "$root"
mkdir -p "$root$clone" "$root$shared"
mount --bind "$clone" "$root$clone"
mount --bind "$shared" "$root$shared"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot "$root" "$@"
`
function inMinbase(root: string, command: readonly string[]): string {
  const unshare = ['--mount', '--net', '--pid', '--fork', '--kill-child', 'sh', '-euc', enterScript, 'sh']
  return execFileSync('unshare', [...unshare, root, repository, shared, ...command], { encoding: 'utf8' })
}

test('a minimal Debian without network and without the tools builds the same release', async () => {
  const here = await buildShared(await lockedStore())
  if (!existsSync(minbase)) makeMinbase()
  const root = join(folder, 'root')
  execFileSync('mkdir', [root])
  execFileSync('tar', ['-xpf', minbase, '-C', root, '--exclude=./dev/*'])
  const definition = join(folder, 'definition')
  makeDefinition(definition)

  const absent =
    'for tool in mkfs.erofs veritysetup dracut objcopy zstd; do ! command -v $tool; done; tail -n +2 /proc/net/route'
  expect(inMinbase(root, ['sh', '-euc', absent])).toBe('')
  const order = { folder: definition, store: join(shared, 'store'), cache: join(folder, 'cache') }
  const script = join(import.meta.dirname, 'build/build-elsewhere.ts')
  const there = JSON.parse(inMinbase(root, [node, script, JSON.stringify(order)])) as { digest: string }
  expect(there.digest).toBe(here.digest)
})
