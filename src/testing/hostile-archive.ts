import { Buffer } from 'node:buffer'

/** One entry of a tar archive, right unless a field says otherwise. */
export interface CraftedEntry {
  readonly name: string
  /** `0` file, `1` hard link, `2` link, `5` folder, `L` and `K` GNU's long names, `x` pax … Default: by the name's end. */
  readonly type?: string
  readonly mode?: number
  readonly target?: string
  readonly content?: string | Uint8Array
  /** What the header claims; default: the content's. */
  readonly sizeBytes?: number
  readonly uid?: number
  readonly magic?: string
  readonly prefix?: string
  /** Added to the checksum. */
  readonly checksumOff?: number
}

/** A tar archive with whatever no honest tool writes. */
export function craftTar(entries: readonly CraftedEntry[], end: Uint8Array = Buffer.alloc(1024)): Buffer {
  return Buffer.concat([...entries.map(craftEntry), end])
}

function craftEntry(entry: CraftedEntry): Buffer {
  const content = Buffer.from(entry.content ?? '')
  const header = Buffer.alloc(512)
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`
  const type = entry.type ?? (entry.name.endsWith('/') ? '5' : '0')
  header.write(entry.name, 0, 100, 'utf8')
  header.write(octal(entry.mode ?? (type === '5' ? 0o755 : 0o644), 7), 100, 'latin1')
  header.write(octal(entry.uid ?? 0, 7), 108, 'latin1')
  header.write(octal(0, 7), 116, 'latin1')
  header.write(octal(entry.sizeBytes ?? content.length, 11), 124, 'latin1')
  header.write(octal(0, 11), 136, 'latin1')
  header.write(type, 156, 'latin1')
  header.write(entry.target ?? '', 157, 100, 'utf8')
  header.write(entry.magic ?? 'ustar  \0', 257, 'latin1')
  header.write(entry.prefix ?? '', 345, 155, 'utf8')
  header.fill(' ', 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0) + (entry.checksumOff ?? 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return Buffer.concat([header, content, Buffer.alloc(-content.length & 511)])
}

/** Members of an ar archive, each `[name, content]`; a number in place of the content's length is what the header claims. */
export function craftAr(members: readonly (readonly [string, Uint8Array, number?])[]): Buffer {
  const parts = members.flatMap(([name, content, claimed]) => [
    Buffer.from(
      `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(claimed ?? content.length).padEnd(10)}\`\n`,
    ),
    content,
    Buffer.from(content.length % 2 === 1 ? '\n' : ''),
  ])
  return Buffer.concat([Buffer.from('!<arch>\n'), ...parts])
}

/** The control archive of a package that says what it is told to. */
export function craftControl(fields: string): Buffer {
  return craftTar([{ name: './' }, { name: './control', content: fields }])
}

export const honestFields =
  'Package: hello\nVersion: 1.0\nArchitecture: all\nMaintainer: Test <test@example.org>\nDescription: made by a test\n'

/** A Debian package around any data archive. */
export function craftPackage(data: Uint8Array, control: Uint8Array = craftControl(honestFields)): Buffer {
  return craftAr([
    ['debian-binary', Buffer.from('2.0\n')],
    ['control.tar', control],
    ['data.tar', data],
  ])
}
