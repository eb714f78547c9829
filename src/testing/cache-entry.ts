import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** An entry of the build cache as a build leaves it, of one file `file`; gives its folder. */
export function keepEntry(data: string, what: string): string {
  const hash = (text: string) => createHash('sha256').update(text).digest('hex')
  const entry = join(data, 'cache/build/entries', hash(what))
  mkdirSync(entry, { recursive: true })
  writeFileSync(join(entry, 'file'), 'x'.repeat(3_000_000))
  const digest = `sha256:${hash('x'.repeat(3_000_000))}`
  const text = JSON.stringify({ what, value: 1, files: { file: { digest, sizeBytes: 3_000_000 } } })
  writeFileSync(join(entry, 'entry.json'), `sha256:${hash(text)}\n${text}`)
  return entry
}
