import { dirname } from 'node:path'
import { AshlarError, type Finding } from '../core/index.ts'
import { painter } from './colour.ts'
import { harmless } from './harmless.ts'

/** An error as people and programs see it. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly where?: string
  readonly hint?: string
  readonly findings?: readonly Finding[]
}

/** The one place where an error becomes text. A bug keeps its stack; what was thrown on purpose does not need one. */
export function toFailure(error: unknown): Failure {
  if (error instanceof AshlarError) {
    const findings = (error as { findings?: readonly Finding[] }).findings
    return {
      code: error.code,
      message: error.message,
      ...(error.where !== undefined && { where: error.where }),
      ...(error.hint !== undefined && { hint: error.hint }),
      ...(findings !== undefined && findings.length > 0 && { findings }),
    }
  }
  if (error instanceof Error && error.name === 'AbortError')
    return { code: 'interrupted', message: 'stopped on request' }
  const system = error as NodeJS.ErrnoException
  if (error instanceof Error && system.code !== undefined && system.syscall !== undefined)
    return systemFailure(system)
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { code: 'internal', message, hint: 'this is a fault in Ashlar: please report it with this text' }
}

/** What the kernel says, in words, and what to do about it. */
const systemWords: Readonly<Record<string, Pick<Failure, 'code' | 'message' | 'hint'>>> = {
  ENOSPC: {
    code: 'disk-full',
    message: 'the disk is full; nothing was left half-written',
    hint: 'see which: df -h; make space and run the command again',
  },
  EDQUOT: {
    code: 'disk-full',
    message: 'your quota on this disk is used up; nothing was left half-written',
    hint: 'see how much: quota; make space and run the command again',
  },
  EROFS: {
    code: 'permission-denied',
    message: 'that disk is read-only',
    hint: 'choose a place that can be written; ASHLAR_DATA names where Ashlar keeps its own',
  },
  ENOENT: {
    code: 'file-missing',
    message: 'there is no such file',
    hint: 'is the path right? ls -l shows it',
  },
  ENOTDIR: { code: 'path-unfit', message: 'a part of this path is no folder', hint: 'name another path' },
}

function systemFailure(error: NodeJS.ErrnoException): Failure {
  const where = error.path === undefined ? {} : { where: error.path }
  if (error.code === 'EACCES' || error.code === 'EPERM')
    return {
      code: 'permission-denied',
      message: 'this user may not do that',
      ...where,
      hint: `see who may: ls -ld ${dirname(error.path ?? '.')}; then run it as that user, or with sudo`,
    }
  const words = systemWords[error.code ?? '']
  return words === undefined ? { code: 'system', message: error.message, ...where } : { ...words, ...where }
}

/** After sysexits.h: programs can tell a wrong call from bad input from a missing thing. */
export const exitCodes = [
  {
    exitCode: 64,
    meaning: 'the call was wrong',
    codes: ['usage', 'confirmation-missing', 'digest-required', 'target-invalid'],
  },
  {
    exitCode: 65,
    meaning: 'a definition, lock, key or name cannot be read',
    codes: [
      ...['definition-invalid', 'lock-malformed', 'lock-version', 'resource-invalid', 'request-invalid'],
      ...['not-debian', 'suite-unsupported', 'architecture-unsupported'],
      'containerfile-invalid',
      ...['digest-malformed', 'reference-malformed', 'version-malformed', 'key-unreadable'],
    ],
  },
  {
    exitCode: 66,
    meaning: 'what was named is not there',
    codes: [
      ...['file-missing', 'path-unfit', 'definition-missing', 'lock-missing', 'reference-unknown'],
      ...['resource-unknown', 'machine-unknown', 'fleet-unknown', 'release-unknown', 'rollout-unknown'],
    ],
  },
  {
    exitCode: 69,
    meaning: 'a server, archive, port or program cannot be had',
    codes: [
      ...['registry-unreachable', 'server-unreachable', 'archive-unreachable', 'connection-failed'],
      ...['archive-busy', 'archive-incomplete', 'base-unreachable', 'host-unreachable'],
      ...['program-missing', 'address-in-use', 'address-unavailable', 'database-in-use'],
    ],
  },
  { exitCode: 70, meaning: 'a fault in Ashlar itself', codes: ['internal'] },
  { exitCode: 74, meaning: 'the disk is full', codes: ['disk-full'] },
  {
    exitCode: 77,
    meaning: 'this user or token may not',
    codes: [
      ...['permission-denied', 'root-required', 'unauthorized', 'denied'],
      'host-refused',
      ...['not-authenticated', 'not-allowed'],
    ],
  },
  { exitCode: 78, meaning: 'no server is known here', codes: ['not-logged-in'] },
  { exitCode: 130, meaning: 'stopped on request', codes: ['interrupted'] },
] as const satisfies readonly { exitCode: number; meaning: string; codes: readonly string[] }[]

export function exitCodeOf(failure: Failure): number {
  const found = exitCodes.find(({ codes }) => (codes as readonly string[]).includes(failure.code))
  return found?.exitCode ?? 1
}

/** What, where, why, and the command that mends it. Colours are our own alone. */
export function printFailure(failure: Failure, colour: boolean): string {
  const paint = painter(colour)
  const { message, where, hint, findings = [] } = failure
  const lines = [
    `${paint('red', 'error')}: ${harmless(message)} ${paint('dim', `[${harmless(failure.code)}]`)}`,
  ]
  if (where !== undefined) lines.push(`  at   ${harmless(where)}`)
  for (const finding of findings) {
    lines.push(
      `  - ${harmless(`${finding.where === undefined ? '' : `${finding.where}: `}${finding.message}`)}`,
    )
    if (finding.hint !== undefined) lines.push(`    ${paint('dim', harmless(finding.hint))}`)
  }
  if (hint !== undefined) lines.push(`  ${paint('cyan', 'mend')} ${harmless(hint)}`)
  return lines.join('\n')
}
