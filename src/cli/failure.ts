import { AshlarError, type Finding } from '../core/index.ts'

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

function systemFailure(error: NodeJS.ErrnoException): Failure {
  const where = error.path === undefined ? {} : { where: error.path }
  if (error.code === 'ENOSPC')
    return {
      code: 'disk-full',
      message: 'the disk is full; nothing was left half-written',
      ...where,
      hint: 'free space and run the command again',
    }
  if (error.code === 'EACCES' || error.code === 'EPERM')
    return {
      code: 'permission-denied',
      message: error.message,
      ...where,
      hint: 'run it as root, or as the owner of that path',
    }
  if (error.code === 'ENOENT') return { code: 'file-missing', message: error.message, ...where }
  return { code: 'system', message: error.message, ...where }
}

/** After sysexits.h: programs can tell a wrong call from bad input from a missing thing. */
const exitCodes: Readonly<Record<string, number>> = {
  usage: 64,
  'definition-invalid': 65,
  'digest-malformed': 65,
  'reference-malformed': 65,
  'version-malformed': 65,
  'file-missing': 66,
  'registry-unreachable': 69,
  'server-unreachable': 69,
  'archive-unreachable': 69,
  'program-missing': 69,
  'connection-failed': 69,
  internal: 70,
  'disk-full': 74,
  'permission-denied': 77,
  'root-required': 77,
  unauthorized: 77,
  denied: 77,
  'not-logged-in': 78,
  interrupted: 130,
}

export function exitCodeOf(failure: Failure): number {
  return exitCodes[failure.code] ?? 1
}

/** What, where, why, and the command that mends it. */
export function printFailure(failure: Failure, colour: boolean): string {
  const paint = (code: number, text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text)
  const lines = [`${paint(31, 'error')}: ${failure.message} ${paint(2, `[${failure.code}]`)}`]
  if (failure.where !== undefined) lines.push(`  at   ${failure.where}`)
  for (const finding of failure.findings ?? []) {
    lines.push(`  - ${finding.where === undefined ? '' : `${finding.where}: `}${finding.message}`)
    if (finding.hint !== undefined) lines.push(`    ${paint(2, finding.hint)}`)
  }
  if (failure.hint !== undefined) lines.push(`  ${paint(36, 'mend')} ${failure.hint}`)
  return lines.join('\n')
}
