import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { digestFromHex } from '../core/index.ts'
import { realSys } from '../sys/index.ts'
import { fleetOf, type TestNode, type TestServer, testServer } from '../testing/index.ts'
import { type CommandFixture, commandFixture } from './command-fixture.ts'

describe('ashlar get', () => {
  let server: TestServer
  let cli: CommandFixture
  let folder: string
  let node: TestNode
  beforeAll(async () => {
    server = await testServer()
    folder = mkdtempSync(join(tmpdir(), 'ashlar-get-'))
    cli = commandFixture(realSys, join(folder, 'mine'))
    await cli.login(server.url, server.adminToken)
    node = await server.enrol('node-1', { role: 'gateway', site: 'a' })
    await server.client.apply(fleetOf('gateways', { role: 'gateway' }, [{ count: 1 }]))
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true })
    await server.close()
  })

  test.each(['node', 'nodes', 'Node', 'NODES'])('%s is a kind, however it is written', async (kind) => {
    const { exitCode, stdout } = await cli.run('get', kind, '--json')
    expect([exitCode, JSON.parse(stdout)[0].metadata.name]).toEqual([0, 'node-1'])
  })

  test('lists nodes as a table: what has not reported has dashes', async () => {
    const [titles, row] = (await cli.run('get', 'nodes')).stdout.split('\n')
    expect(titles?.split(/\s+/)).toEqual(['NAME', 'RELEASE', 'SLOT', 'CONFIRMED', 'ASSIGNED', 'LABELS'])
    expect(row?.split(/\s+/)).toEqual(['node-1', '-', '-', '-', '-', 'role=gateway,site=a'])
  })

  test('waits for a node until it has confirmed', async () => {
    const waiting = cli.run('get', 'node', 'node-1', '--wait-for', 'confirmed')
    node.running = digestFromHex('ab'.repeat(32))
    await node.report()
    const { exitCode, stdout } = await waiting
    const [, row] = stdout.split('\n')
    expect([exitCode, (await cli.run('get', 'nodes')).stdout]).toEqual([0, stdout])
    expect(row?.split(/\s+/).slice(0, 4)).toEqual(['node-1', 'abababababab', 'a', 'true'])
  })

  test('prints one as YAML, or as JSON', async () => {
    const [text, json] = [
      await cli.run('get', 'node', 'node-1'),
      await cli.run('get', 'node', 'node-1', '--json'),
    ]
    expect(parseYaml(text.stdout)).toEqual(JSON.parse(json.stdout))
    expect(text.stdout).toContain('name: node-1')
  })

  test('lists fleets, and says so where there is nothing', async () => {
    const [, row] = (await cli.run('get', 'fleets')).stdout.split('\n')
    expect(row?.split(/\s+/)).toEqual(['gateways', 'gateway', '-', 'role=gateway'])
    expect((await cli.run('get', 'rollouts')).stdout).toBe('no rollouts\n')
    expect((await cli.run('get', 'releases', '--json')).stdout).toBe('[]\n')
  })

  test.each([
    ['a kind that is none', ['things'], 'usage', 64, 'use one of nodes, fleets, releases, rollouts'],
    ['waiting for a fleet', ['fleet', 'gateways', '--wait-for', 'confirmed'], 'usage', 64, 'get node NAME'],
    ['a node that is not there', ['node', 'node-9'], 'resource-unknown', 66, 'ashlar get nodes'],
  ])('%s is refused with what to do', async (_, words, code, exitCode, hint) => {
    const ran = await cli.run('get', ...words, '--json')
    expect(ran.exitCode).toBe(exitCode)
    expect(JSON.parse(ran.stdout).error).toMatchObject({ code, hint: expect.stringContaining(hint) })
  })

  test('a token that is none, a server that is gone, no server at all', async () => {
    await cli.login(server.url, 'ashlar_admin_wrong')
    expect(await cli.run('get', 'nodes')).toMatchObject({
      exitCode: 77,
      stdout: '',
      stderr: expect.stringMatching(/\[not-authenticated\]\n {2}at .*\n {2}mend .*ashlar login/),
    })
    await cli.login('http://127.0.0.1:1', server.adminToken)
    const { exitCode, stderr } = await cli.run('get', 'nodes')
    expect([exitCode, stderr]).toEqual([
      69,
      expect.stringMatching(/\[server-unreachable\]\n.*\n {2}mend .*ashlar serve/),
    ])
    const fresh = commandFixture(realSys, join(folder, 'fresh'))
    expect(await fresh.run('get', 'nodes')).toMatchObject({
      exitCode: 78,
      stderr: expect.stringContaining('mend ashlar login'),
    })
    expect(stderr).not.toContain(server.adminToken)
  })
})
