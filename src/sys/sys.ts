import type * as fs from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** The world as one value: everything outside the process comes through it, so that a test can give another. */
export interface Sys {
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly exec: Exec
  readonly net: Net
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Milliseconds that never go back; only differences mean something. */
  monotonicMs(): number
  /** Resolves after `ms`; rejects with the signal's reason when that aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export interface Random {
  /** `count` bytes from the operating system's generator. */
  bytes(count: number): Uint8Array
}

/** The calls of `node:fs/promises` that Ashlar uses, and the durable writes that its state needs. */
export interface Disk
  extends Pick<
    typeof fs,
    | 'access'
    | 'appendFile'
    | 'chmod'
    | 'chown'
    | 'copyFile'
    | 'cp'
    | 'lchown'
    | 'link'
    | 'lstat'
    | 'lutimes'
    | 'mkdir'
    | 'mkdtemp'
    | 'open'
    | 'readFile'
    | 'readdir'
    | 'readlink'
    | 'realpath'
    | 'rename'
    | 'rm'
    | 'rmdir'
    | 'stat'
    | 'statfs'
    | 'symlink'
    | 'truncate'
    | 'unlink'
    | 'utimes'
    | 'watch'
    | 'writeFile'
  > {
  /** Replaces a file whole: temporary file beside it, fsync, rename, fsync of the folder. After it returns the content is durable. */
  writeDurably(
    path: string,
    content: Uint8Array | string,
    options?: { readonly mode?: number },
  ): Promise<void>
  /**
   * Takes away the temporary files of `writeDurably` that killed writers left in a folder: of the files with these names,
   * or of all. `shared`: others may be writing there, so that only what is older than a write takes is a killed one's.
   */
  removeUnfinished(
    folder: string,
    which?: { readonly of?: readonly string[]; readonly shared?: boolean },
  ): Promise<void>
  /** Makes renames and unlinks in a folder durable. */
  syncFolder(path: string): Promise<void>
}

export interface ExecOptions {
  /** Gets standard output as it comes; it is in the result as well. */
  readonly onOutput?: (chunk: Uint8Array) => void
  readonly cwd?: string
  /** The whole environment of the process; nothing is inherited when it is given. */
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: Uint8Array | string
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** What the process gets when `signal` aborts. Default SIGTERM. */
  readonly abortSignal?: 'SIGTERM' | 'SIGKILL'
}

export interface ExecResult {
  /** 128 + the signal's number where a signal ended the process. */
  readonly exitCode: number
  readonly stdout: Uint8Array
  /** The last 64 KiB of it. */
  readonly stderr: string
}

export interface RunningProcess {
  readonly pid: number
  readonly exited: Promise<{ readonly exitCode: number }>
  readonly stdout: AsyncIterable<Uint8Array>
  readonly stderr: AsyncIterable<Uint8Array>
  kill(signal?: 'SIGTERM' | 'SIGKILL' | 'SIGINT'): void
}

export interface SpawnOptions extends Omit<ExecOptions, 'stdin' | 'timeoutMs' | 'abortSignal' | 'onOutput'> {
  /** `pipe` (default): read through `stdout` and `stderr`; `inherit`: the terminal's; a path: appended to that file. */
  readonly output?: 'pipe' | 'inherit' | { readonly file: string }
  readonly stdin?: 'ignore' | 'inherit' | Uint8Array
  /** The process outlives this one, in a session of its own. */
  readonly detached?: boolean
}

export interface Exec {
  /** Runs a program without a shell to its end. A non-zero exit code is an answer, not an error. @throws SysError `program-missing`, `timed-out` */
  run(program: string, args: readonly string[], options?: ExecOptions): Promise<ExecResult>
  /** Starts a program without a shell. @throws SysError `program-missing` */
  spawn(program: string, args: readonly string[], options?: SpawnOptions): Promise<RunningProcess>
  /** Sends a signal to a process by id; signal 0 asks whether it is there. False when there is no such process. */
  kill(pid: number, signal: 'SIGTERM' | 'SIGKILL' | 'SIGINT' | 0): boolean
}

export interface HttpRequest {
  readonly method: string
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array>
  /** PEM certificates that are trusted in place of the system's. */
  readonly ca?: string
  /** Until the response's head has arrived, and between two of its chunks. Default 30 s. */
  readonly idleTimeoutMs?: number
  readonly signal?: AbortSignal
}

export interface HttpResponse {
  readonly status: number
  /** Lower-case names; repeated fields joined with `, `. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: AsyncIterable<Uint8Array>
}

export interface ListenOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly tls?: { readonly key: string; readonly cert: string }
  /** A request or answer on which no byte moves for this long is cut. Default 120 s. */
  readonly idleTimeoutMs?: number
}

export interface Listener {
  readonly host: string
  readonly port: number
  /** Stops accepting, ends idle connections, waits for requests under way up to `graceMs`, then cuts them. */
  close(graceMs?: number): Promise<void>
}

export interface Net {
  /** Sends one request; redirects are not followed. @throws SysError `connection-failed`, `timed-out` */
  request(request: HttpRequest): Promise<HttpResponse>
  /**
   * The chain that a TLS server shows, as PEM, leaf first. **Nothing is checked**: the caller compares a certificate's
   * fingerprint with one it was given, and from then on trusts only that. @throws SysError `connection-failed`, `timed-out`
   */
  peerCertificates(host: string, port: number, timeoutMs: number): Promise<readonly string[]>
  /** Resolves when a TCP connection was accepted (and closes it). @throws SysError `connection-failed`, `timed-out` */
  connect(host: string, port: number, timeoutMs: number): Promise<void>
  /** Serves HTTP/1.1, over TLS where a key is given. @throws SysError `address-in-use`, `address-unavailable` */
  listen(
    options: ListenOptions,
    handler: (request: IncomingMessage, response: ServerResponse) => void,
  ): Promise<Listener>
}
