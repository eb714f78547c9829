import { readArMembers } from '../../../src/build/debian/ar.ts'
import { judgeFields } from '../../../src/build/debian/debian-package.ts'
import { refusePackage } from '../../../src/build/debian/hostile.ts'
import { judgeEntries } from '../../../src/build/debian/package-contents.ts'
import { readTar } from '../../../src/build/debian/tar.ts'
import { BuildError } from '../../../src/build/errors.ts'
import { craftControl, craftPackage, craftTar, honestFields } from '../../../src/testing/index.ts'
import { type FuzzTarget, promise, textOf } from '../target.ts'

const wanted = { name: 'hello', version: '1.0', architecture: 'all' }
const refuse = refusePackage(wanted)
const padded = (text: string) => Buffer.concat([Buffer.from(text), Buffer.alloc(1)])

const tar = craftTar([
  { name: './' },
  { name: './usr/' },
  { name: './usr/bin/', mode: 0o2755 },
  { name: './usr/bin/hello', mode: 0o4755, content: 'hello' },
  { name: './usr/bin/link', type: '2', target: '/etc/hello' },
  { name: './usr/bin/again', type: '1', target: './usr/bin/hello' },
  { name: '././@LongLink', type: 'L', content: padded(`./usr/${'a'.repeat(200)}`) },
  { name: '././@LongLink', type: 'K', content: padded(`/usr/${'b'.repeat(200)}`) },
  { name: './usr/short', type: '2', target: '/usr' },
  { name: 'plain', prefix: 'usr/share', magic: 'ustar\x0000', content: 'x'.repeat(600) },
])

/** As it comes from a pipe: in pieces of odd sizes. */
async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700)
}

/** With checksums that are right: without, nearly every change would be refused by them alone. */
function withChecksums(input: Uint8Array): Uint8Array {
  const bytes = Buffer.from(input)
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (bytes.toString('latin1', at + 257, at + 262) !== 'ustar') continue
    const sum = bytes
      .fill(' ', at + 148, at + 156)
      .subarray(at, at + 512)
      .reduce((total, byte) => total + byte, 0)
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1')
  }
  return bytes
}

async function judgeTar(bytes: Uint8Array): Promise<void> {
  const { entries, unpackedBytes } = await judgeEntries(readTar(pieces(bytes), refuse), refuse)
  promise(unpackedBytes <= bytes.length, 'more content than bytes')
  promise(new Set(entries.map(({ path }) => path)).size === entries.length, 'an entry twice')
  for (const { path } of entries)
    promise(
      !path.startsWith('/') && !path.split('/').includes('..') && !/\p{Cc}/u.test(path),
      `an unsafe path ${path}`,
    )
  const folders = new Set(entries.filter(({ kind }) => kind !== 'folder').map(({ path }) => path))
  for (const { path } of entries)
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1))
      promise(!folders.has(path.slice(0, at)), `a way through what is no folder: ${path}`)
}

export const packageTargets: readonly FuzzTarget[] = [
  { name: 'tar', form: 'bytes', seeds: [tar], refuses: [BuildError], read: judgeTar },
  {
    name: 'tar-with-checksums',
    form: 'bytes',
    seeds: [tar],
    refuses: [BuildError],
    read: (bytes) => judgeTar(withChecksums(bytes)),
  },
  {
    name: 'ar',
    form: 'bytes',
    seeds: [craftPackage(tar), craftPackage(tar, craftControl(honestFields))],
    refuses: [BuildError],
    async read(bytes) {
      const members = await readArMembers(
        async (at, count) => bytes.subarray(at, at + count),
        bytes.length,
        refuse,
      )
      for (const { offset, sizeBytes } of members)
        promise(offset + sizeBytes <= bytes.length, 'a member beyond the end')
    },
  },
  {
    name: 'package-control',
    form: 'text',
    seeds: [honestFields],
    words: ['Package: other', 'package: hello', 'Version:', '\n\n', ' \n'],
    refuses: [BuildError],
    read: (bytes) => judgeFields(textOf(bytes), wanted, refuse),
  },
]
