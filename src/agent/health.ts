import { z } from 'zod'
import {
  AshlarError,
  durationMs,
  type HealthCheck,
  healthCheckSchema,
  jsonOf,
  type Reason,
  unreachable,
} from '../core/index.ts'
import { whenThere } from '../disk/index.ts'
import type { Sys } from '../sys/index.ts'
import { AgentError } from './errors.ts'
import { readText } from './files.ts'
import { checkPauseMs, hookMs, lastLines } from './limits.ts'
import type { NodePaths } from './node-files.ts'

/** What one try of a check found: undefined when it holds. What is final is not tried again. */
type Fault = (Pick<Reason, 'message' | 'exitCode' | 'lastLines'> & { readonly isFinal?: boolean }) | undefined

/**
 * Runs every check of the definition, all at once, then the executables in `health.d`, one after the other. Undefined:
 * all is well. The first that fails decides; the others are not waited for.
 */
export async function judgeHealth(sys: Sys, paths: NodePaths): Promise<Reason | undefined> {
  const checks = await readChecks(sys, paths)
  const decided = new AbortController()
  const failed = Promise.withResolvers<Reason>()
  const all = checks.map(async (check) => {
    const fault = await untilItHolds(sys, check, decided.signal)
    if (fault !== undefined) failed.resolve(fault)
  })
  try {
    const fault = await Promise.race([failed.promise, Promise.all(all).then(() => undefined)])
    return fault ?? (await runHooks(sys, paths))
  } finally {
    decided.abort()
  }
}

/** The health checks of the image that runs. @throws AgentError `state-malformed` */
export async function readChecks(sys: Sys, paths: NodePaths): Promise<readonly HealthCheck[]> {
  const where = `${paths.image}/health.json`
  const checks = z.array(healthCheckSchema).safeParse(jsonOf((await readText(sys, where)) ?? ''))
  if (checks.success) return checks.data
  throw new AgentError('state-malformed', 'the health checks of this image cannot be read', { where })
}

async function untilItHolds(sys: Sys, check: HealthCheck, decided: AbortSignal): Promise<Reason | undefined> {
  const withinMs = durationMs(check.within)
  const until = sys.clock.monotonicMs() + withinMs
  for (let pauseMs: number = checkPauseMs.first; ; pauseMs = Math.min(pauseMs * 2, checkPauseMs.longest)) {
    const leftMs = until - sys.clock.monotonicMs()
    const fault = await tryOnce(sys, check, Math.max(leftMs, checkPauseMs.longest))
    if (fault === undefined) return undefined
    const { isFinal = false, ...found } = fault
    if (isFinal || sys.clock.monotonicMs() + pauseMs >= until)
      return {
        code: 'health-check-failed',
        ...found,
        message: `${check.name}: ${fault.message}${isFinal ? '' : `, for ${check.within}`}`,
        check: check.name,
      }
    await sys.clock.sleep(pauseMs, decided)
  }
}

async function tryOnce(sys: Sys, check: HealthCheck, timeoutMs: number): Promise<Fault> {
  try {
    if ('http' in check) return await tryHttp(sys, check.http, timeoutMs)
    if ('tcp' in check) return await tryTcp(sys, check.tcp, timeoutMs)
    if ('unit' in check) return await tryUnit(sys, check.unit)
    if ('exec' in check) return await tryProgram(sys, check.exec, timeoutMs)
    return unreachable(check)
  } catch (error) {
    if (error instanceof AshlarError) return { message: error.message }
    throw error
  }
}

async function tryHttp(sys: Sys, url: string, timeoutMs: number): Promise<Fault> {
  const { status, body } = await sys.net.request({ method: 'GET', url, idleTimeoutMs: timeoutMs })
  const text: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of body) {
    sizeBytes += chunk.length
    text.push(chunk)
    if (sizeBytes > lastLines.count * lastLines.bytesMax) break
  }
  if (status >= 200 && status < 400) return undefined
  return { message: `${url} answered ${status}`, lastLines: linesOf(Buffer.concat(text).toString('utf8')) }
}

async function tryTcp(sys: Sys, address: string, timeoutMs: number): Promise<Fault> {
  const colon = address.lastIndexOf(':')
  await sys.net.connect(address.slice(0, colon), Number(address.slice(colon + 1)), timeoutMs)
  return undefined
}

async function tryUnit(sys: Sys, unit: string): Promise<Fault> {
  const shown = await sys.exec.run('systemctl', ['show', '--property=ActiveState,ExecMainStatus', unit])
  const properties = new Map(
    text(shown.stdout)
      .split('\n')
      .map((line) => [line.split('=')[0], line.split('=')[1]]),
  )
  const state = properties.get('ActiveState') ?? 'unknown'
  if (state === 'active') return undefined
  const log = await sys.exec.run('journalctl', [
    '--unit',
    unit,
    '--boot',
    '--lines',
    String(lastLines.count),
    '--output=cat',
    '--no-pager',
  ])
  const exitCode = Number(properties.get('ExecMainStatus'))
  return {
    message: `unit ${unit} is ${state}`,
    // A unit that systemd starts again is `activating` (systemd.service(5), Restart=): this one stays as it is, and its
    // check fails at once, whatever is left of `within`.
    isFinal: state === 'failed',
    ...(Number.isInteger(exitCode) && { exitCode }),
    lastLines: linesOf(text(log.stdout)),
  }
}

async function tryProgram(
  sys: Sys,
  [program, ...args]: readonly string[],
  timeoutMs: number,
): Promise<Fault> {
  if (program === undefined) return { message: 'no program is named' }
  const { exitCode, stdout, stderr } = await sys.exec.run(program, args, { timeoutMs })
  if (exitCode === 0) return undefined
  return {
    message: `${program} ended with exit code ${exitCode}`,
    exitCode,
    lastLines: linesOf(`${text(stdout)}${stderr}`),
  }
}

async function runHooks(sys: Sys, paths: NodePaths): Promise<Reason | undefined> {
  for (const folder of [`${paths.image}/health.d`, paths.localHooks])
    for (const name of ((await whenThere(sys.disk.readdir(folder))) ?? []).toSorted()) {
      const fault = await tryOnce(sys, { name: 'hook', exec: [`${folder}/${name}`], within: '1s' }, hookMs)
      if (fault !== undefined) return { code: 'health-check-failed', ...fault, check: name }
    }
  return undefined
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8')
}

function linesOf(output: string): string[] {
  const lines = output.split('\n').map((line) => line.trimEnd().slice(0, lastLines.bytesMax))
  return lines.filter((line) => line !== '').slice(-lastLines.count)
}
