import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { realSys, type Sys } from '../../sys/index.ts'
import { type DebianArchive, debianArchive } from '../../testing/index.ts'
import { probeTimeoutMs } from '../limits.ts'
import { probeMirror } from './mirror-probe.ts'

let root: string
let archive: DebianArchive
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'ashlar-probe-'))
  archive = await debianArchive(join(root, 'archive'), {})
})
afterAll(async () => {
  await archive.close()
  rmSync(root, { recursive: true })
})

/** A second in place of ten. */
const hurried: Sys = {
  ...realSys,
  exec: {
    ...realSys.exec,
    run: (program, args, options) =>
      realSys.exec.run(
        program,
        args.map((arg) => (arg === String(probeTimeoutMs / 1_000) ? '1' : arg)),
        options,
      ),
  },
}
const probe = () => probeMirror(hurried, { debian: 'bookworm', mirrors: archive.mirrors }, 'debian', root)

test('a mirror that sends a byte now and then, for ever, is given up; nothing is left of the attempt', async () => {
  expect(await probe()).toBe('bookworm')
  const drips: NodeJS.Timeout[] = []
  archive.intercept = (_, response) => {
    response.writeHead(200, { 'content-length': 100_000 })
    drips.push(setInterval(() => response.write('-'), 50))
    return true
  }
  try {
    await expect(probe()).rejects.toMatchObject({ code: 'archive-unreachable' })
  } finally {
    for (const drip of drips) clearInterval(drip)
  }
  expect(drips).toHaveLength(1)
  expect(readdirSync(root)).toEqual(['archive'])
  expect(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })).not.toContain(root)
})
