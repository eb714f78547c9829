import { noProgress } from '../core/index.ts'
import type { Sys } from '../sys/index.ts'
import { type Context, foldersOf } from './context.ts'
import { createProgram } from './program.ts'
import { keepLogin } from './session.ts'
import { createTerminal } from './terminal.ts'

export interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** The commands in this process, on the data folder that a test gives: what `bin/ashlar` does, without its half second. */
export interface CommandFixture {
  readonly context: Context
  run(...words: string[]): Promise<Ran>
  login(url: string, token: string): Promise<void>
}

export function commandFixture(sys: Sys, folder: string): CommandFixture {
  const written = { out: '', err: '' }
  const terminal = createTerminal(
    {
      out: { write: (text) => (written.out += text) },
      err: { write: (text) => (written.err += text) },
    },
    sys.clock,
    {},
  )
  const context: Context = {
    ...{ sys, environment: {}, terminal, progress: noProgress, user: process.geteuid?.() ?? -1 },
    ...{ folders: foldersOf({ ASHLAR_DATA: folder }), ask: undefined, signal: new AbortController().signal },
  }
  return {
    context,
    async run(...words) {
      Object.assign(written, { out: '', err: '' })
      let exitCode = 0
      const program = await createProgram(
        context,
        (code) => {
          exitCode = code
        },
        words,
      )
      await program.parseAsync(words, { from: 'user' })
      return { exitCode, stdout: written.out, stderr: written.err }
    },
    login: (url, token) => keepLogin(context, { url, token }),
  }
}
