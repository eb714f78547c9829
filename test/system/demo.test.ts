import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '../..')

interface Document {
  readonly ok: boolean
  readonly seconds: number
  readonly steps: readonly {
    readonly name: string
    readonly ok: boolean
    readonly seconds: number
    readonly detail: unknown
  }[]
}

/** What each step must have come to, in order. The demo itself checks more: what runs on which node after each. */
const expected: readonly (readonly [RegExp, RegExp])[] = [
  [/^a definition in git/, /./],
  [/build gateway 1\.0\.0$/, /^sha256:/],
  [/^build 1\.1\.0/, /^sha256:/],
  [/^build 1\.2\.0/, /^sha256:/],
  [/^build 1\.3\.0/, /^sha256:/],
  [/^build 0\.9\.0/, /^sha256:/],
  [/^serve/, /^https:/],
  [/^log in, sign and push$/, /./],
  [/^start three nodes/, /./],
  [/^roll out 1\.1\.0/, /^node-1 confirmed, node-2 confirmed, node-3 confirmed$/],
  [
    /^roll out 1\.2\.0/,
    /^node-1 went-back \(health-check-failed: web-unit\), node-2 waiting, node-3 waiting$/,
  ],
  [/^change a running system$/, /read-only/],
  [/^offer an unsigned release$/, /^node-1 refused \(signature-missing\)/],
  [/swap a blob/, /^node-1 refused \(blob-digest-mismatch\)/],
  [/below the floor$/, /^node-1 refused \(below-floor\)/],
  [/^revert the fleet/, /^node-1 confirmed, node-2 confirmed, node-3 confirmed$/],
  [/^ask why/, /^5 links proved, 3 reported$/],
]

describe('the demo', () => {
  let document: Document
  let exitCode: number | null

  beforeAll(() => {
    const ran = spawnSync(join(root, 'script/demo'), ['--json'], {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    })
    exitCode = ran.status
    try {
      document = JSON.parse(ran.stdout)
    } catch {
      throw new Error(`the demo printed no JSON: ${ran.stdout.slice(-2_000)}\n${ran.stderr.slice(-4_000)}`)
    }
  })

  test('holds from the first step to the last', () => {
    expect(document.steps.filter(({ ok }) => !ok)).toEqual([])
    expect([document.ok, exitCode, document.steps.length]).toEqual([true, 0, expected.length])
  })

  test.each(expected.map(([name, detail], index) => [index, name, detail] as const))(
    'step %d: %s',
    (index, name, detail) => {
      expect(document.steps[index]?.name).toMatch(name)
      expect(document.steps[index]?.detail).toMatch(detail)
    },
  )

  test('leaves no machine, namespace, bridge, mount or loop device behind', () => {
    const seen = spawnSync(
      'sh',
      ['-c', 'ip -o link; ip netns; cat /proc/mounts; losetup -a; ps ax -o args'],
      { encoding: 'utf8' },
    ).stdout
    expect(
      seen.split('\n').filter((line) => /ashlar0|ashlar-node-|\.ashlar\/demo\/machines/.test(line)),
    ).toEqual([])
  })
})
