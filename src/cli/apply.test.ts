import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { realSys } from '../sys/index.ts'
import { type TestServer, testServer } from '../testing/index.ts'
import { parseResources } from './apply.ts'
import { type CommandFixture, commandFixture } from './command-fixture.ts'
import { CliError } from './context.ts'

const fleet = `apiVersion: ashlar/v1
kind: Fleet
metadata: { name: gateways }
spec:
  image: gateway
  nodes: { matchLabels: { role: gateway } }
`

function findingsOf(text: string): string[] {
  try {
    parseResources(text, 'f.yaml')
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    expect(error).toMatchObject({ code: 'resource-invalid', where: 'f.yaml', hint: expect.any(String) })
    return error.findings.map(({ code, where }) => `${code} ${where ?? ''}`.trim())
  }
  return []
}

describe('a file of resources', () => {
  test('may hold several, each with its defaults', () => {
    const parsed = parseResources(`${fleet}---\n${fleet.replace('gateways', 'others')}`, 'f.yaml')
    expect(parsed.map(({ metadata }) => metadata.name)).toEqual(['gateways', 'others'])
    expect(parsed[0]?.spec.rollout).toEqual({ waves: [{ count: 1 }, { percent: 100 }], deadline: '15m' })
  })

  test.each([
    ['nothing in it', '', ['empty']],
    ['broken YAML', fleet.replace('}\n', '\n'), ['yaml-broken f.yaml:4']],
    ['another kind', fleet.replace('Fleet', 'Image'), ['kind-unfit f.yaml:2']],
    ['no kind', fleet.replace('kind: Fleet\n', ''), ['kind-unfit f.yaml:1']],
    ['no map', '- a\n', ['invalid_type f.yaml:1']],
    [
      'a mistyped key',
      fleet.replace('matchLabels', 'matchLabls'),
      ['invalid_type f.yaml:6 spec.nodes.matchLabels', 'unrecognized_keys f.yaml:6 spec.nodes.matchLabls'],
    ],
    ['a status, which is the director’s', `${fleet}status: {}\n`, ['unrecognized_keys f.yaml:7 status']],
    ['a fleet that stands in it twice', `${fleet}---\n${fleet}`, ['named-twice']],
    [
      'one wrong document among others, with its own lines',
      `${fleet}---\n${fleet.replace('gateways', 'A B')}`,
      ['invalid_format f.yaml:10 metadata.name'],
    ],
  ])('is refused for %s', (_, text, findings) => {
    expect(findingsOf(text)).toEqual(findings)
  })
})

describe('ashlar apply', () => {
  let server: TestServer
  let cli: CommandFixture
  let folder: string
  beforeAll(async () => {
    server = await testServer()
    folder = mkdtempSync(join(tmpdir(), 'ashlar-apply-'))
    cli = commandFixture(realSys, folder)
    await cli.login(server.url, server.adminToken)
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true })
    await server.close()
  })
  const apply = async (text: string, ...more: string[]) => {
    const file = join(folder, 'fleet.yaml')
    writeFileSync(file, text)
    return cli.run('apply', '-f', file, ...more)
  }

  test('shows what it would do, does it, and then has nothing to do', async () => {
    expect(await apply(fleet, '--dry-run')).toMatchObject({
      exitCode: 0,
      stdout: 'fleets/gateways: would change\n  created\n',
    })
    expect(await server.client.list('Fleet')).toEqual([])
    expect((await apply(fleet)).stdout).toBe('fleets/gateways\n  created\n')
    expect((await apply(fleet)).stdout).toBe('fleets/gateways: unchanged\n')
  })

  const changed = fleet.replace('gateway }', 'edge }').replace('name: gateways', '$&, labels: { a: b }')

  test('names each field that it changes', async () => {
    await apply(fleet, '--yes')
    expect((await apply(changed, '--yes')).stdout.split('\n')).toEqual([
      'fleets/gateways',
      '  labels.a: undefined → "b"',
      '  spec.nodes.matchLabels.role: "gateway" → "edge"',
      '',
    ])
    expect((await server.client.get('Fleet', 'gateways')).metadata.labels).toEqual({ a: 'b' })
  })

  test('changes nothing where nobody said yes to what it overwrites, and creates nothing beside it', async () => {
    await apply(fleet, '--yes')
    const before = await server.client.list('Fleet')
    const { exitCode, stdout } = await apply(
      `${fleet.replace('gateways', 'second')}---\n${changed}`,
      '--json',
    )
    expect([exitCode, JSON.parse(stdout).error]).toMatchObject([
      64,
      {
        code: 'confirmation-missing',
        findings: [
          { message: 'change fleets/gateways: labels.a: undefined → "b"' },
          { message: 'change fleets/gateways: spec.nodes.matchLabels.role: "gateway" → "edge"' },
        ],
      },
    ])
    expect(await server.client.list('Fleet')).toEqual(before)
  })

  test('asks a person once for all that it overwrites', async () => {
    await apply(fleet, '--yes')
    const answers = ['n', 'y']
    const ask = async () => answers.shift() ?? ''
    Object.assign(cli.context, { ask })
    try {
      expect(await apply(changed)).toMatchObject({
        exitCode: 1,
        stderr: expect.stringMatching(/ {2}change .*labels\.a.*\n {2}change .*"edge".*\[declined\]/s),
      })
      expect((await apply(changed)).exitCode).toBe(0)
      expect((await apply(changed)).stdout).toBe('fleets/gateways: unchanged\n')
    } finally {
      Object.assign(cli.context, { ask: undefined })
    }
    expect((await server.client.get('Fleet', 'gateways')).metadata.labels).toEqual({ a: 'b' })
  })

  test('as JSON gives the same as data', async () => {
    const { stdout } = await apply(fleet.replace('gateways', 'more'), '--json')
    expect(JSON.parse(stdout)).toEqual({
      dryRun: false,
      resources: [{ kind: 'Fleet', name: 'more', changes: ['created'] }],
    })
  })

  test('of a file that is wrong changes nothing, and names the place', async () => {
    const before = await server.client.list('Fleet')
    const { exitCode, stdout, stderr } = await apply(`${fleet.replace('gateways', 'new')}---\nkind: Node\n`)
    expect([exitCode, stdout]).toEqual([65, ''])
    expect(stderr).toMatch(/fleet\.yaml:8: its kind is "Node": only a Fleet can be applied/)
    expect(await server.client.list('Fleet')).toEqual(before)
  })
})
