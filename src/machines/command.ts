import type { Sys } from '../sys/index.ts'
import { MachineError } from './errors.ts'
import { commandMs } from './limits.ts'

/** Runs one of the host's programs that must succeed. @throws MachineError `command-failed` */
export async function command(sys: Sys, program: string, ...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await sys.exec.run(program, args, { timeoutMs: commandMs })
  if (exitCode === 0) return Buffer.from(stdout).toString('utf8')
  throw new MachineError('command-failed', `${program} ${args.join(' ')} failed: ${stderr.trim()}`, {
    hint: 'machines need root, and the Debian packages that script/setup installs',
  })
}

/** Whether a program ends with 0. */
export async function succeeds(sys: Sys, program: string, ...args: readonly string[]): Promise<boolean> {
  return (await sys.exec.run(program, args, { timeoutMs: commandMs })).exitCode === 0
}
