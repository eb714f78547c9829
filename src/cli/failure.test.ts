import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AshlarError } from '../core/index.ts'
import { realSys } from '../sys/index.ts'
import { CliError } from './context.ts'
import { exitCodeOf, exitCodes, printFailure, toFailure } from './failure.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-failure-'))
  writeFileSync(join(folder, 'file'), '')
  mkdirSync(join(folder, 'folder'))
  symlinkSync(join(folder, 'loop'), join(folder, 'loop'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const caught = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )
const full = (code: string) =>
  Object.assign(new Error(`${code}: no`), { code, syscall: 'write', path: '/data/x' })

describe('what the kernel says, in words', () => {
  test.each([
    ['a missing file', () => caught(realSys.disk.readFile(join(folder, 'none'))), 'file-missing', 66],
    ['a path through a file', () => caught(realSys.disk.readFile(join(folder, 'file/x'))), 'path-unfit', 66],
    ['links in a circle', () => caught(realSys.disk.readFile(join(folder, 'loop'))), 'system', 1],
    ['a full disk', async () => full('ENOSPC'), 'disk-full', 74],
    ['a quota that is used up', async () => full('EDQUOT'), 'disk-full', 74],
    ['a read-only disk', async () => full('EROFS'), 'permission-denied', 77],
    ['a path of somebody else', async () => full('EACCES'), 'permission-denied', 77],
  ])('%s', async (_, provoke, code, exitCode) => {
    const failure = toFailure(await provoke())
    expect(failure).toMatchObject({ code, where: expect.stringMatching(/^\//) })
    expect(exitCodeOf(failure)).toBe(exitCode)
    if (code !== 'system') {
      expect(failure.message).not.toMatch(/\bE[A-Z]{3,}\b/)
      expect(failure.hint).toBeDefined()
    }
  })
})

describe('a failure', () => {
  const thrown = new CliError('definition-invalid', 'it is wrong', {
    where: 'ashlar.yaml',
    hint: 'mend it',
    findings: [{ code: 'a', message: 'first', where: 'ashlar.yaml:3', hint: 'so' }],
  })

  test('has what the error had, and nothing that it had not', () => {
    const { findings } = thrown
    expect(toFailure(thrown)).toEqual({
      ...{ code: 'definition-invalid', message: 'it is wrong', where: 'ashlar.yaml', hint: 'mend it' },
      findings,
    })
    expect(toFailure(new AshlarError('x', 'y'))).toEqual({ code: 'x', message: 'y' })
  })

  test('is printed with its place, its findings and what mends it', () => {
    expect(printFailure(toFailure(thrown), false).split('\n')).toEqual([
      'error: it is wrong [definition-invalid]',
      '  at   ashlar.yaml',
      '  - ashlar.yaml:3: first',
      '    so',
      '  mend mend it',
    ])
  })

  test('is coloured where colour is wanted, and the words stay', () => {
    const coloured = printFailure(toFailure(thrown), true)
    expect(coloured).toContain('\u001b[31merror\u001b[0m')
    const plain = coloured
      .split('\u001b[')
      .map((part, index) => (index === 0 ? part : part.replace(/^\d+m/, '')))
    expect(plain.join('')).toBe(printFailure(toFailure(thrown), false))
  })

  test('that nobody foresaw keeps its stack and asks to be reported', () => {
    const failure = toFailure(new TypeError('undefined is no function'))
    expect(failure).toMatchObject({ code: 'internal', message: expect.stringContaining('failure.test.ts') })
    expect(exitCodeOf(failure)).toBe(70)
    expect(toFailure('text').code).toBe('internal')
  })

  test('on request is no fault', () => {
    const controller = new AbortController()
    controller.abort()
    const failure = toFailure(controller.signal.reason)
    expect([failure.code, exitCodeOf(failure)]).toEqual(['interrupted', 130])
  })
})

test('every exit code has words, and the codes of errors that end with it', () => {
  for (const { exitCode, meaning, codes } of exitCodes) {
    expect(meaning.length).toBeGreaterThan(5)
    for (const code of codes) expect(exitCodeOf({ code, message: '' })).toBe(exitCode)
  }
  expect(exitCodeOf({ code: 'hash-mismatch', message: '' })).toBe(1)
})
