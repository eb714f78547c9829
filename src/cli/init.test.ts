import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readDefinition } from '../build/index.ts'
import { realSys } from '../sys/index.ts'
import { type CommandFixture, commandFixture } from './command-fixture.ts'
import { readTrust } from './trust.ts'

let scratch: string
let cli: CommandFixture
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'ashlar-init-'))
  cli = commandFixture(realSys, join(scratch, 'data'))
})
afterEach(() => rmSync(scratch, { recursive: true }))

const definitionOf = async (folder: string) =>
  (await readDefinition(realSys, join(scratch, folder))).definition

describe('init where nobody is asked', () => {
  test('writes a system with the keys that it trusts, so that lock and build are all that is left', async () => {
    const { exitCode, stdout } = await cli.run('init', join(scratch, 'My Web'), '--json')
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([
      0,
      {
        keys: ['keys/release', 'keys/director'],
        next: [/^ashlar lock /, /^ashlar build /].map((line) => expect.stringMatching(line)),
      },
    ])
    expect(await definitionOf('My Web')).toMatchObject({
      metadata: { name: 'my-web' },
      spec: { form: 'system', packages: ['nginx-light'], services: ['nginx'] },
    })
    expect((await readTrust(cli.context, join(scratch, 'My Web'))).release.keys).toHaveLength(1)
    expect(statSync(join(scratch, 'My Web/keys/release.key')).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(scratch, 'My Web/.gitignore'), 'utf8')).toContain('*.key')
  })

  test.each([
    ['a container', ['--form', 'container'], { form: 'container', packages: [] }],
    [
      'packages that it knows nothing of',
      ['--package', 'chrony', 'jq'],
      { packages: ['chrony', 'jq'], services: [], health: [] },
    ],
    [
      'packages of which it knows the service',
      ['--package', 'openssh-server'],
      { services: ['ssh'], health: [{ name: 'ssh' }] },
    ],
  ])('%s: the definition is one that is read', async (_, options, spec) => {
    expect(await cli.run('init', join(scratch, 'image'), ...options)).toMatchObject({
      exitCode: 0,
      stderr: '',
    })
    expect((await definitionOf('image')).spec).toMatchObject(spec)
  })

  test.each(['2024', 'null', 'true', '1e3', '0x10'])('a folder named %s is a name, too', async (name) => {
    expect((await cli.run('init', join(scratch, name), '--package', '00', '1e3')).exitCode).toBe(0)
    expect(await definitionOf(name)).toMatchObject({ metadata: { name }, spec: { packages: ['00', '1e3'] } })
  })

  test('--no-keys leaves them to be made, and says how', async () => {
    const { stdout } = await cli.run('init', join(scratch, 'web'), '--no-keys')
    expect(stdout).toMatch(/ {2}ashlar key new \S+keys\/release\n {2}ashlar key new \S+keys\/director\n/)
    expect(readdirSync(join(scratch, 'web'))).not.toContain('keys')
  })

  test.each([
    ['a name that is none', ['--name', 'Web!'], 64],
    ['a form that is none', ['--form', 'vm'], 64],
    ['a package that is none', ['--package', 'a b!'], 64],
  ])('%s is a wrong call, and nothing is written', async (_, options, code) => {
    expect((await cli.run('init', join(scratch, 'web'), ...options)).exitCode).toBe(code)
    expect(readdirSync(scratch)).toEqual([])
  })

  test('nothing is overwritten, keys least of all', async () => {
    await cli.run('init', join(scratch, 'web'))
    const { exitCode, stderr } = await cli.run('init', join(scratch, 'web'))
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('[file-exists]')])
  })
})

describe('init at a terminal', () => {
  const asked = (...answers: string[]) => {
    const questions: string[] = []
    const ask = async (question: string) => {
      questions.push(question)
      return answers.shift() ?? ''
    }
    Object.assign(cli.context, { ask })
    return questions
  }

  test('asks three questions, and an empty answer is the default', async () => {
    const questions = asked('', '', '')
    await cli.run('init', join(scratch, 'web'))
    expect(questions).toEqual([
      'Name of the image? [web] ',
      'A system, which boots on a node, or a container? [system] ',
      'Which Debian packages does it run? [nginx-light] ',
    ])
  })

  test('asks again after what is no answer, and says why', async () => {
    const questions = asked('Web!', 'shop', 'container', 'jq, curl')
    await cli.run('init', join(scratch, 'web'))
    expect(questions[1]).toMatch(/^"Web!" is no name: .*\. Name of the image\?/)
    expect(await definitionOf('web')).toMatchObject({
      metadata: { name: 'shop' },
      spec: { form: 'container', packages: ['jq', 'curl'] },
    })
  })

  test('asks for what was not given alone, and nothing with --yes', async () => {
    const some = asked('')
    await cli.run('init', join(scratch, 'web'), '--form', 'system', '--name', 'web')
    expect(some).toHaveLength(1)
    const none = asked()
    await cli.run('init', join(scratch, 'other'), '--yes')
    expect(none).toEqual([])
  })
})
