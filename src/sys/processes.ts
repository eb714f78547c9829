import { type ChildProcess, spawn as spawnChild } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { constants } from 'node:os'
import { SysError } from './errors.ts'
import type { Exec, ExecOptions, ExecResult, RunningProcess, SpawnOptions } from './sys.ts'

/** What is kept of a program's complaints. */
const stderrBytesMax = 64 * 1024

export const realExec: Exec = { run, spawn, kill }

async function run(program: string, args: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
  const child = spawnChild(program, args, {
    stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.env !== undefined && { env: options.env }),
  })
  const started = waitForStart(child, program)
  const exited = waitForExit(child)
  const stdout: Uint8Array[] = []
  let stderr: Buffer = Buffer.alloc(0)
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout.push(chunk)
    options.onOutput?.(chunk)
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr = Buffer.concat([stderr, chunk]).subarray(-stderrBytesMax)
  })
  await started
  // A program may end before it has read all that it was given; its exit code then tells.
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(options.stdin)

  let timedOut = false
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true
          child.kill('SIGKILL')
        }, options.timeoutMs)
  const abort = () => child.kill(options.abortSignal ?? 'SIGTERM')
  options.signal?.addEventListener('abort', abort, { once: true })
  if (options.signal?.aborted) abort()
  const { exitCode } = await exited
  clearTimeout(timer)
  options.signal?.removeEventListener('abort', abort)
  options.signal?.throwIfAborted()
  if (timedOut)
    throw new SysError('timed-out', `${program} did not end within ${options.timeoutMs} ms and was killed`)
  return { exitCode, stdout: Buffer.concat(stdout), stderr: stderr.toString('utf8') }
}

async function spawn(
  program: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<RunningProcess> {
  const output = options.output ?? 'pipe'
  const file = typeof output === 'object' ? openSync(output.file, 'a') : undefined
  const sink = file ?? (output as 'pipe' | 'inherit')
  const stdin = options.stdin ?? 'ignore'
  const child = spawnChild(program, args, {
    stdio: [stdin === 'ignore' || stdin === 'inherit' ? stdin : 'pipe', sink, sink],
    detached: options.detached ?? false,
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.env !== undefined && { env: options.env }),
  })
  const exited = waitForExit(child)
  try {
    await waitForStart(child, program)
  } finally {
    if (file !== undefined) closeSync(file)
  }
  if (typeof stdin === 'object') {
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(stdin)
  }
  const abort = () => child.kill('SIGTERM')
  options.signal?.addEventListener('abort', abort, { once: true })
  void exited.then(() => options.signal?.removeEventListener('abort', abort))
  if (options.detached) child.unref()
  return {
    pid: child.pid ?? -1,
    exited,
    stdout: child.stdout ?? none(),
    stderr: child.stderr ?? none(),
    kill: (signal) => void child.kill(signal ?? 'SIGTERM'),
  }
}

function kill(pid: number, signal: 'SIGTERM' | 'SIGKILL' | 'SIGINT' | 0): boolean {
  try {
    return process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

function waitForStart(child: ChildProcess, program: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', (cause) =>
      reject(
        new SysError('program-missing', `cannot start ${program}: ${cause.message}`, {
          cause,
          hint: `install the Debian package that has ${program}; script/setup installs all that Ashlar needs`,
        }),
      ),
    )
  })
}

function waitForExit(child: ChildProcess): Promise<{ exitCode: number }> {
  return new Promise((resolve) => {
    child.once('close', (code, signal) =>
      resolve({ exitCode: code ?? 128 + (signal === null ? 0 : constants.signals[signal]) }),
    )
  })
}

async function* none(): AsyncIterable<Uint8Array> {}
