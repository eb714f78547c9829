import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { realSys } from '../sys/index.ts'
import { describeCommit } from './index.ts'

let folder = ''
const git = (...args: string[]) =>
  execFileSync('git', ['-C', folder, '-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], {
    encoding: 'utf8',
  }).trim()

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-commit-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function checkout(): string {
  git('init', '-q')
  writeFileSync(join(folder, 'ashlar.yaml'), 'x')
  git('add', '.')
  git('commit', '-qm', 'first')
  return git('rev-parse', 'HEAD')
}

describe('the commit of a folder', () => {
  test('is not told outside a checkout', async () => {
    expect(await describeCommit(realSys.exec, folder)).toBeUndefined()
  })

  test('is not told before the first commit', async () => {
    git('init', '-q')
    expect(await describeCommit(realSys.exec, folder)).toBeUndefined()
  })

  test('is clean right after a commit', async () => {
    const commit = checkout()
    expect(await describeCommit(realSys.exec, folder)).toEqual({ commit, dirty: false })
  })

  test('is dirty with a changed file', async () => {
    checkout()
    writeFileSync(join(folder, 'ashlar.yaml'), 'y')
    expect(await describeCommit(realSys.exec, folder)).toMatchObject({ dirty: true })
  })

  test('is dirty with a file that git does not know', async () => {
    checkout()
    writeFileSync(join(folder, 'new'), '')
    expect(await describeCommit(realSys.exec, folder)).toMatchObject({ dirty: true })
  })

  test.each<[string, string | undefined, string]>([
    ['https://someone:secret@example.org/x.git', 'https://example.org/x.git', 'loses its password'],
    ['git@example.org:team/x.git', 'ssh://example.org/team/x.git', 'becomes a URL'],
    ['ssh://git@example.org/x.git', 'ssh://example.org/x.git', 'loses its user'],
    ['/srv/git/x.git', undefined, 'is left out: a path means nothing elsewhere'],
    ['file:///srv/git/x.git', undefined, 'is left out: so does its URL'],
  ])('a remote %s gives %s: it %s', async (remote, expected) => {
    checkout()
    git('remote', 'add', 'origin', remote)
    expect((await describeCommit(realSys.exec, folder))?.remote).toBe(expected)
  })
})
