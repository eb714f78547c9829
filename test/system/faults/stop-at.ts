/**
 * Loaded before the command line with `--import`: counts what a command does to the disk, the programs that it starts
 * and the requests that it sends. At the number in ASHLAR_STOP_AT it sends the process the signal in ASHLAR_STOP_WITH; before the first step
 * that the pattern in ASHLAR_FILL_AT matches it fills the disk of ASHLAR_DATA. Each step is a line in the file
 * ASHLAR_STOP_LIST.
 */
import childProcess from 'node:child_process'
import { appendFileSync, statfsSync } from 'node:fs'
import fs from 'node:fs/promises'
import http from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'

const { ASHLAR_STOP_AT, ASHLAR_STOP_WITH = 'SIGKILL', ASHLAR_STOP_LIST } = process.env
let count = 0

function step(what: string): void {
  count++
  if (ASHLAR_STOP_LIST !== undefined) appendFileSync(ASHLAR_STOP_LIST, `${what}\n`)
  if (count === Number(ASHLAR_STOP_AT)) process.kill(process.pid, ASHLAR_STOP_WITH)
}

const { ASHLAR_DATA = '', ASHLAR_FILL_AT } = process.env
let filled = ASHLAR_FILL_AT === undefined

function fillBefore(what: string): void {
  if (filled || !new RegExp(ASHLAR_FILL_AT ?? '').test(what)) return
  filled = true
  const target = join(ASHLAR_DATA, 'filler')
  const { bavail, bsize } = statfsSync(ASHLAR_DATA)
  const quickBytes = bavail * bsize - (8 << 20)
  if (quickBytes > 0) childProcess.execFileSync('fallocate', ['-l', String(quickBytes), target])
  // The smallest block that ext4 has.
  for (const size of [1 << 20, 1 << 10])
    try {
      for (;;) appendFileSync(target, Buffer.alloc(size, 1), { flush: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
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
    fillBefore(`${name} ${String(args[0])}`)
    step(`${name} ${String(args[0])}`)
    return original(...args)
  }
}
const { spawn } = childProcess
const counted = (...args: Parameters<typeof spawn>) => {
  const what = `spawn ${args[0]} ${Array.isArray(args[1]) ? args[1].join(' ').replaceAll('\n', ' ') : ''}`
  fillBefore(what)
  const child = spawn(...args)
  step(what)
  return child
}
Object.assign(childProcess, { spawn: counted })
const { request } = http
Object.assign(http, {
  request: (...args: Parameters<typeof request>) => {
    step(`request ${String(args[0])}`)
    return request(...args)
  },
})
syncBuiltinESMExports()
