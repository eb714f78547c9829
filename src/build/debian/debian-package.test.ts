import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { realSys } from '../../sys/index.ts'
import {
  type CraftedEntry,
  craftAr,
  craftControl,
  craftPackage,
  craftTar,
  honestFields,
} from '../../testing/index.ts'
import { BuildError } from '../errors.ts'
import { archiveLimits } from '../limits.ts'
import { readDebianPackage } from './debian-package.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-package-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const hello = { name: 'hello', version: '1.0', architecture: 'all' }

async function judge(bytes: Uint8Array, wanted = hello) {
  const file = join(folder, 'package.deb')
  writeFileSync(file, bytes)
  return await readDebianPackage(realSys, file, wanted)
}

async function refusal(bytes: Uint8Array, wanted = hello): Promise<BuildError> {
  const answer = await judge(bytes, wanted).catch((error: unknown) => error)
  if (answer instanceof BuildError) return answer
  throw new Error(`not refused: ${JSON.stringify(answer)}`)
}

const honest: readonly CraftedEntry[] = [
  { name: './' },
  { name: './usr/' },
  { name: './usr/bin/' },
  { name: './usr/bin/hello', mode: 0o4755, content: 'hello' },
]
const padded = (text: string) => Buffer.concat([Buffer.from(text), Buffer.alloc(1)])

describe('what an honest package brings', () => {
  test('is listed, setuid too', async () => {
    const target = `/usr/share/${'long/'.repeat(40)}end`
    const contents = await judge(
      craftPackage(
        craftTar([
          ...honest,
          { name: './usr/bin/absolute', type: '2', target: '/etc/hello' },
          { name: './usr/bin/again', type: '1', target: './usr/bin/hello' },
          { name: '././@LongLink', type: 'L', content: padded(`./usr/${'a'.repeat(200)}`) },
          { name: '././@LongLink', type: 'K', content: padded(target) },
          { name: './usr/short', type: '2', target: '/usr/share' },
          { name: 'plain', prefix: 'usr/Größe', magic: 'ustar\x0000' },
          { name: 'usr/old', magic: '\0'.repeat(8), type: '\0', prefix: 'not read' },
        ]),
      ),
    )
    expect(contents.unpackedBytes).toBe(5)
    expect(contents.entries.map(({ path, kind }) => `${kind} ${path.slice(0, 20)}`)).toEqual([
      ...['folder ', 'folder usr', 'folder usr/bin', 'file usr/bin/hello', 'link usr/bin/absolute'],
      ...['hard-link usr/bin/again', `link usr/${'a'.repeat(16)}`, 'file usr/Größe/plain', 'file usr/old'],
    ])
    expect(contents.entries[3]).toMatchObject({ mode: 0o4755, uid: 0, gid: 0, sizeBytes: 5 })
    expect(contents.entries[6]?.target).toBe(target)
  })

  test.each([
    ['gzip', 'data.tar.gz', (data: Buffer) => gzipSync(data)],
    ['zstd', 'data.tar.zst', (data: Buffer) => zstdCompressSync(data)],
  ])('is read out of %s', async (_, name, compress) => {
    const members = [
      ['debian-binary', Buffer.from('2.0\n')],
      ['_extra', Buffer.from('odd')],
      ['control.tar', craftControl(honestFields)],
      [name, compress(craftTar(honest))],
    ] as const
    expect((await judge(craftAr(members))).entries).toHaveLength(4)
  })
})

/** Each beside the honest entries, and refused by the name of the entry that is meant. */
const hostile: readonly (readonly [string, readonly CraftedEntry[]])[] = [
  ['a name with ..', [{ name: './usr/../../evil' }]],
  ['a name that is ..', [{ name: '..' }]],
  ['an absolute name', [{ name: '/etc/evil' }]],
  ['an absolute name after ./', [{ name: './/etc/evil' }]],
  ['a dot in the middle', [{ name: './usr/./evil' }]],
  ['a file in place of the root', [{ name: './', type: '2', target: 'x' }]],
  ['a character device', [{ name: './dev', type: '3' }]],
  ['a block device', [{ name: './dev', type: '4' }]],
  ['a named pipe', [{ name: './pipe', type: '6' }]],
  ['a sparse file', [{ name: './sparse', type: 'S' }]],
  ['a pax header', [{ name: './pax', type: 'x', content: '18 path=/etc/evil\n' }]],
  ['a pax header for all', [{ name: './pax', type: 'g', content: '18 path=/etc/evil\n' }]],
  ['a kind that nobody knows', [{ name: './odd', type: 'Z' }]],
  ['an entry through a link of the package', [{ name: './a', type: '2', target: '/etc' }, { name: './a/b' }]],
  ['an entry below a file', [{ name: './usr/bin/hello/below' }]],
  [
    'a link in place of a folder that has something',
    [{ name: './d/e' }, { name: './d', type: '2', target: '/' }],
  ],
  ['a file twice', [{ name: './usr/bin/hello' }]],
  ['a folder twice', [{ name: './usr/' }]],
  ['the same name written otherwise', [{ name: 'usr/bin/hello' }]],
  ['a link in place of a file', [{ name: './usr/bin/hello', type: '2', target: '/etc/passwd' }]],
  ['a hard link out of the tree', [{ name: './h', type: '1', target: '../../etc/passwd' }]],
  ['a hard link to an absolute name', [{ name: './h', type: '1', target: '/etc/passwd' }]],
  ['a hard link to what is not in the package', [{ name: './h', type: '1', target: './etc/passwd' }]],
  [
    'a hard link to a link',
    [
      { name: './l', type: '2', target: '/x' },
      { name: './h', type: '1', target: './l' },
    ],
  ],
  ['a hard link to a folder', [{ name: './h', type: '1', target: './usr' }]],
  ['a link to nothing', [{ name: './l', type: '2', target: '' }]],
  ['a link with a newline in its target', [{ name: './l', type: '2', target: 'a\nb' }]],
  ['a newline in a name', [{ name: './a\nb' }]],
  ['an escape in a name', [{ name: './a\u001b[2Jb' }]],
  ['a control character of Latin-1 in a name', [{ name: './a\u009bb' }]],
  [
    'a part longer than NAME_MAX',
    [{ name: '', type: 'L', content: padded(`./${'a'.repeat(256)}`) }, { name: './a' }],
  ],
  ['a link with content', [{ name: './l', type: '2', target: 'x', content: 'y' }]],
  ['a folder with content', [{ name: './f/', content: 'y' }]],
  ['a file that is named like a folder', [{ name: './f/', type: '0' }]],
  ['a file larger than the limit', [{ name: './f', sizeBytes: archiveLimits.fileBytesMax + 1 }]],
  ['a long target for a file', [{ name: '', type: 'K', content: padded('/etc') }, { name: './f' }]],
]

test.each(hostile)('refused by name: %s', async (_, entries) => {
  const last = entries.at(-1)?.name ?? ''
  const named = entries[0]?.type === 'L' ? 'a'.repeat(256) : JSON.stringify(last).slice(1, -1)
  const error = await refusal(craftPackage(craftTar([...honest, ...entries])))
  expect(error).toMatchObject({ code: 'archive-hostile', where: expect.stringContaining(named) })
})

const tar = craftTar(honest)
test.each([
  ['a wrong checksum', craftTar([...honest, { name: './f', checksumOff: 1 }])],
  ['a magic that readers take differently', craftTar([...honest, { name: './f', magic: 'ustar\x0001' }])],
  ['something in place of a header', craftTar(honest, Buffer.alloc(512, 'x'))],
  ['an archive without end', craftTar(honest, Buffer.alloc(0))],
  ['an archive that is cut off in a file', tar.subarray(0, 4 * 512 + 3)],
  ['an archive that is cut off in a header', tar.subarray(0, 100)],
  ['an archive with something after its end', Buffer.concat([tar, craftTar([{ name: './evil' }])])],
  ['a file that is longer than the archive', craftTar([...honest, { name: './f', sizeBytes: 1 << 20 }])],
  [
    'two long names',
    craftTar([...['L', 'L'].map((type) => ({ name: '', type, content: padded('./a') })), { name: './a' }]),
  ],
  ['a long name at the end', craftTar([...honest, { name: '', type: 'L', content: padded('./a') }])],
  ['a long name of a megabyte', craftTar([{ name: '', type: 'L', content: Buffer.alloc(1 << 20, 'a') }])],
  [
    'a NUL within a long name',
    craftTar([{ name: '', type: 'L', content: Buffer.from('./a\0b\0') }, { name: './a' }]),
  ],
  [
    'a name that is not UTF-8',
    craftTar([{ name: '', type: 'L', content: Buffer.from([0x2e, 0x2f, 0xff, 0]) }, { name: './a' }]),
  ],
])('refused: %s', async (_, data) => {
  expect(await refusal(craftPackage(data))).toMatchObject({ code: 'archive-hostile' })
})

const binary = ['debian-binary', Buffer.from('2.0\n')] as const
const control = ['control.tar', craftControl(honestFields)] as const
const data = ['data.tar', tar] as const
test.each([
  ['nothing', Buffer.alloc(0)],
  ['no ar archive', Buffer.from('!<thin>\n')],
  ['members in another order', craftAr([binary, data, control])],
  ['no data', craftAr([binary, control])],
  ['two of data', craftAr([binary, control, data, data])],
  ['a member of another name', craftAr([binary, control, data, ['evil', Buffer.alloc(2)]])],
  ['another format', craftAr([['debian-binary', Buffer.from('3.0\n')], control, data])],
  ['a member that is longer than the file', craftAr([binary, control, [...data, tar.length + 512]])],
  ['something after the last member', Buffer.concat([craftAr([binary, control, data]), Buffer.from('x')])],
  ['a compression that lies', craftAr([binary, control, ['data.tar.xz', tar]])],
  ['half a compressed archive', craftAr([binary, control, ['data.tar.gz', gzipSync(tar).subarray(0, -20)]])],
])('a container with %s is refused', async (_, bytes) => {
  expect(await refusal(bytes)).toMatchObject({ code: 'archive-hostile', where: 'hello' })
})

test.each([
  ['another package', honestFields.replace('hello', 'other')],
  ['another version', honestFields.replace('1.0', '1.1')],
  ['another architecture', honestFields.replace('all', 'amd64')],
  ['no version', honestFields.replace('Version: 1.0\n', '')],
  ['a second name', `${honestFields}Package: other\n`],
  ['a second name in other letters', `${honestFields}package: other\n`],
  ['a second paragraph', `${honestFields}\nPackage: other\n`],
  ['nothing', ''],
])('a control file that says %s is refused', async (_, fields) => {
  expect(await refusal(craftPackage(tar, craftControl(fields)))).toMatchObject({ code: 'archive-hostile' })
})

test.each([
  ['a folder', [{ name: './control', content: honestFields }, { name: './folder/' }]],
  ['a link in place of the control file', [{ name: './control', type: '2', target: '/etc/passwd' }]],
  [
    'two control files',
    [
      { name: './control', content: honestFields },
      { name: 'control', content: honestFields },
    ],
  ],
  ['a control file of two megabytes', [{ name: './control', content: honestFields + ' '.repeat(1 << 21) }]],
])('a control archive with %s is refused', async (_, entries) => {
  expect(await refusal(craftPackage(tar, craftTar(entries)))).toMatchObject({ code: 'archive-hostile' })
})

test('a file that grows to gigabytes is refused before it has grown', async () => {
  const bomb = zstdCompressSync(Buffer.alloc(64 << 20))
  const header = craftTar([{ name: './bomb', sizeBytes: archiveLimits.fileBytesMax + 512 }], Buffer.alloc(0))
  const grown = Buffer.concat([zstdCompressSync(header), ...Array.from({ length: 65 }, () => bomb)])
  const before = process.memoryUsage().rss
  const error = await refusal(craftAr([binary, control, ['data.tar.zst', grown]]))
  expect(error).toMatchObject({ code: 'archive-hostile', where: expect.stringContaining('bomb') })
  expect(process.memoryUsage().rss - before).toBeLessThan(256 << 20)
})

test('what dpkg-deb itself makes passes', async () => {
  const { debianArchive } = await import('../../testing/index.ts')
  const archive = await debianArchive(join(folder, 'archive'), { hello: {} })
  try {
    const { entries } = await judge(readFileSync(archive.file('hello')))
    expect(entries.map(({ kind, path }) => [kind, path])).toEqual([['folder', '']])
  } finally {
    await archive.close()
  }
})
