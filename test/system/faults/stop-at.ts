/**
 * Loaded before the command line with `--import`: counts what a command does to the disk and the programs that it
 * starts, and at the number in ASHLAR_STOP_AT sends the process the signal in ASHLAR_STOP_WITH. Without a number it
 * writes the whole list to the file in ASHLAR_STOP_LIST.
 */
import childProcess from 'node:child_process'
import { appendFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

const { ASHLAR_STOP_AT, ASHLAR_STOP_WITH = 'SIGKILL', ASHLAR_STOP_LIST } = process.env
let count = 0

function step(what: string): void {
  count++
  if (ASHLAR_STOP_LIST !== undefined) appendFileSync(ASHLAR_STOP_LIST, `${what}\n`)
  if (count === Number(ASHLAR_STOP_AT)) process.kill(process.pid, ASHLAR_STOP_WITH)
}

const functions = fs as unknown as Record<string, (...args: unknown[]) => unknown>
for (const name of [
  'open',
  'writeFile',
  'rename',
  'link',
  'symlink',
  'mkdir',
  'mkdtemp',
  'rm',
  'unlink',
  'chmod',
]) {
  const original = functions[name]
  if (original === undefined) throw new Error(`node:fs/promises has no ${name}`)
  functions[name] = (...args) => {
    step(`${name} ${String(args[0])}`)
    return original(...args)
  }
}
const { spawn } = childProcess
const counted = (...args: Parameters<typeof spawn>) => {
  const child = spawn(...args)
  step(
    `spawn ${args[0]} ${Array.isArray(args[1]) ? args[1].join(' ').slice(0, 120).replaceAll('\n', ' ') : ''}`,
  )
  return child
}
Object.assign(childProcess, { spawn: counted })
syncBuiltinESMExports()
