import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { realSys } from '../sys/index.ts'
import { CliError, type Context, foldersOf, perform, type Result } from './context.ts'
import { createTerminal } from './terminal.ts'

test.each([
  ['ASHLAR_DATA comes first', { ASHLAR_DATA: '/srv/a', XDG_DATA_HOME: '/x', HOME: '/home/me' }, '/srv/a'],
  ['then the XDG data folder', { XDG_DATA_HOME: '/x', HOME: '/home/me' }, '/x/ashlar'],
  ['then its default', { HOME: '/home/me' }, '/home/me/.local/share/ashlar'],
  ['without a home it is root’s', {}, '/root/.local/share/ashlar'],
])('where Ashlar keeps things: %s', (_, environment, data) => {
  const folders = foldersOf(environment)
  expect(folders.data).toBe(data)
  for (const name of ['store', 'cache', 'machines', 'server'] as const)
    expect(folders[name]).toBe(join(data, name))
})

async function performed(json: boolean, run: (context: Context) => Promise<Result>) {
  const written = { out: '', err: '' }
  const terminal = createTerminal(
    {
      out: { write: (text) => (written.out += text) },
      err: { write: (text) => (written.err += text), isTTY: true },
    },
    realSys.clock,
    { NO_COLOR: '1' },
  )
  const context: Context = {
    ...{ sys: realSys, environment: {}, terminal, progress: terminal.progress, user: 0 },
    ...{ folders: foldersOf({}), ask: undefined, signal: new AbortController().signal },
  }
  const exitCode = await perform(context, json, () => run(context))
  return { exitCode, ...written }
}

describe('a command', () => {
  const done = async (): Promise<Result> => ({ json: { a: [1] }, text: 'one' })

  test('that went well prints its text, or its one document', async () => {
    expect(await performed(false, done)).toEqual({ exitCode: 0, out: 'one\n', err: '' })
    const { out } = await performed(true, done)
    expect(JSON.parse(out)).toEqual({ a: [1] })
  })

  test('may end with another exit code and is no error', async () => {
    const found = await performed(false, async () => ({ json: {}, text: 'drift', exitCode: 1 }))
    expect(found).toEqual({ exitCode: 1, out: 'drift\n', err: '' })
  })

  test('that failed says so on standard error, and in one document with --json', async () => {
    const fail = async () => {
      throw new CliError('file-missing', 'gone', { where: '/x', hint: 'ls /' })
    }
    const text = await performed(false, fail)
    expect(text).toMatchObject({ exitCode: 66, out: '', err: expect.stringContaining('gone [file-missing]') })
    const { out, exitCode } = await performed(true, fail)
    expect(exitCode).toBe(66)
    expect(JSON.parse(out)).toEqual({
      error: { code: 'file-missing', message: 'gone', where: '/x', hint: 'ls /' },
    })
  })

  test('leaves the line that its progress was drawn on, and keeps standard output clean of it', async () => {
    const { out, err } = await performed(true, async (context) => {
      context.progress({ step: 'hash', done: 1, total: 2, unit: 'items' })
      throw new CliError('timed-out', 'too long')
    })
    expect(JSON.parse(out).error.code).toBe('timed-out')
    expect(err).toMatch(/hash.*\nerror: too long/)
  })
})
