import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { realSys } from '../sys/index.ts'
import { commandFixture } from './command-fixture.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-login-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

test.each(['http://10.0.0.5:7480', 'http://server.example', 'http://127.0.0.1.example:7480'])(
  'a token is never sent in clear over a network: login %s',
  async (url) => {
    const asked: string[] = []
    const request: typeof realSys.net.request = (options) => {
      asked.push(options.url)
      return Promise.reject(new Error('asked'))
    }
    const cli = commandFixture({ ...realSys, net: { ...realSys.net, request } }, folder)
    const file = join(folder, 'token')
    writeFileSync(file, 'ashlar_admin_secret\n')
    const { exitCode, stdout } = await cli.run('login', url, '--token-file', file, '--json')
    expect([exitCode, asked]).toEqual([64, []])
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('https://'),
    })
  },
)
