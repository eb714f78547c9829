import { AshlarError } from '../core/index.ts'
import type { Exec } from '../sys/index.ts'
import { limits } from './limits.ts'

/** The state of the git checkout that a definition lies in. */
export interface Commit {
  /** 40 hex digits, or 64 in a repository of SHA-256. */
  readonly commit: string
  /** Whether the definition's folder holds anything that the commit does not. */
  readonly dirty: boolean
  /** URL of `origin`, without user and password. */
  readonly remote?: string
}

/** Asks git; undefined where the folder is in no checkout, has no commit yet, or git is not installed. */
export async function describeCommit(exec: Exec, folder: string): Promise<Commit | undefined> {
  const commit = await git(exec, folder, ['rev-parse', '--verify', 'HEAD'])
  if (commit === undefined || !/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(commit)) return undefined
  const changes = await git(exec, folder, ['status', '--porcelain', '--untracked-files=normal', '--', '.'])
  const remote = withoutSecret(await git(exec, folder, ['remote', 'get-url', 'origin']))
  // A status that cannot be read is not said to be clean.
  return { commit, dirty: changes !== '', ...(remote !== undefined && { remote }) }
}

async function git(exec: Exec, folder: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { exitCode, stdout } = await exec.run('git', ['-C', folder, ...args], { timeoutMs: limits.gitMs })
    return exitCode === 0 ? Buffer.from(stdout).toString().trim() : undefined
  } catch (error) {
    if (error instanceof AshlarError && error.code === 'program-missing') return undefined
    throw error
  }
}

/** `https://user:token@host/x` without its token; `user@host:path` of ssh as a URL; a path of this host is no place for others. */
function withoutSecret(remote: string | undefined): string | undefined {
  const ssh = /^(?:[^@/]+@)?([^:/]+):(?!\/\/)(.+)$/.exec(remote ?? '')
  const text = ssh === null ? remote : `ssh://${ssh[1]}/${ssh[2]}`
  const url = URL.parse(text ?? '')
  if (url === null || url.protocol === 'file:') return undefined
  url.username = ''
  url.password = ''
  return url.href
}
