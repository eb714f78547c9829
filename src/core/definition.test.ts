import { describe, expect, test } from 'vitest'
import { counterOf, definitionJsonSchema, floorOf, parseDefinition } from './definition.ts'

const system = `apiVersion: ashlar/v1
kind: Image
metadata: { name: gateway, version: 1.1.0 }
spec:
  base: { debian: bookworm }
  packages: [nginx-light]
  services: [nginx]
  health:
    - { name: web, http: "http://localhost/" }
  trust:
    release: { keys: [release.pub] }
    director: { keys: [director.pub] }
`

function definitionOf(text: string) {
  const parsed = parseDefinition(text)
  if (parsed.is === 'findings') throw new Error(JSON.stringify(parsed.findings))
  return parsed.definition
}

/** `code where` of each finding. */
function findingsOf(text: string): string[] {
  const parsed = parseDefinition(text)
  return parsed.is === 'findings' ? parsed.findings.map((finding) => `${finding.code} ${finding.where}`) : []
}

const edit = (from: string, to: string) => {
  expect(system).toContain(from)
  return system.replace(from, to)
}

describe('a definition', () => {
  test('has every default filled in', () => {
    const { spec } = definitionOf(system)
    expect(spec).toMatchObject({
      form: 'system',
      arch: 'amd64',
      kernel: { package: 'linux-image-amd64', arguments: [] },
      health: [{ name: 'web', within: '30s' }],
      trust: { version: 1, release: { threshold: 1 } },
    })
  })

  test('derives its counter from its version and accepts a version as its floor', () => {
    const definition = definitionOf(edit('spec:\n', 'spec:\n  floor: 1.0.0\n'))
    expect(counterOf(definition)).toBe(1_000_001_000_000)
    expect(floorOf(definition)).toBe(1_000_000_000_000)
  })

  test.each([
    ['broken YAML', edit('{ debian: bookworm }', '{ debian: bookworm'), ['yaml-broken ashlar.yaml:6']],
    ['an unknown key', edit('  packages:', '  pakages:'), ['unknown-key ashlar.yaml:6 spec.pakages']],
    [
      'an unknown key in a list',
      edit('http:', 'htp:'),
      ['key-missing ashlar.yaml:9 spec.health[0].http', 'unknown-key ashlar.yaml:9 spec.health[0].htp'],
    ],
    ['a version that is none', edit('1.1.0', '1.1'), ['value-invalid ashlar.yaml:3 metadata.version']],
    [
      'a form of a newer Ashlar, whatever else is in it',
      edit('ashlar/v1', 'ashlar/v2').replace('services', 'novelties'),
      ['version-unknown ashlar.yaml:1 apiVersion'],
    ],
    ['a suite that is none', edit('bookworm', 'bookwurm'), ['value-invalid ashlar.yaml:5 spec.base.debian']],
    ['a missing key', edit('  base: { debian: bookworm }\n', ''), ['key-missing ashlar.yaml:4 spec.base']],
    [
      'a path out of the folder',
      edit('keys: [release.pub]', 'keys: [../release.pub]'),
      ['value-invalid ashlar.yaml:11 spec.trust.release.keys[0]'],
    ],
    [
      'a threshold above the keys',
      edit('{ keys: [release.pub] }', '{ threshold: 2, keys: [release.pub] }'),
      ['value-invalid ashlar.yaml:11 spec.trust.release.threshold'],
    ],
    [
      'a check that may fail for more than a day',
      edit('http://localhost/"', 'http://localhost/", within: 25h'),
      ['value-invalid ashlar.yaml:9 spec.health[0].within'],
    ],
    [
      'a duration that is none',
      edit('http://localhost/"', 'http://localhost/", within: 30x'),
      ['value-invalid ashlar.yaml:9 spec.health[0].within'],
    ],
    ['a key that stands twice', `${system}kind: Image\n`, ['yaml-broken ashlar.yaml:13']],
    [
      'several faults at once',
      edit('1.1.0', '1').replace('services', 'servces'),
      ['value-invalid ashlar.yaml:3 metadata.version', 'unknown-key ashlar.yaml:7 spec.servces'],
    ],
  ])('with %s is refused, with line and path', (_, text, findings) => {
    expect(findingsOf(text).toSorted()).toEqual(findings.toSorted())
  })

  test.each([
    ['a system without trust', system.slice(0, system.indexOf('  trust:')), 'spec'],
    [
      'a container without run',
      'apiVersion: ashlar/v1\nkind: Image\nmetadata: { name: a, version: 1.0.0 }\nspec: { form: container, base: { debian: bookworm } }\n',
      'spec',
    ],
    ['a floor above the release itself', edit('spec:\n', 'spec:\n  floor: 1.2.0\n'), 'spec.floor'],
    ['a version too large for a counter', edit('1.1.0', '1.1000000.0'), 'spec'],
    [
      'a system from a Containerfile',
      edit('  packages: [nginx-light]\n  services: [nginx]', '  from: { containerfile: Containerfile }'),
      'spec.from',
    ],
    ['a system with run', edit('  services:', '  run: { command: [a] }\n  services:'), 'spec.run'],
  ])('%s is refused', (_, text, path) => {
    expect(findingsOf(text)).toEqual([
      expect.stringMatching(new RegExp(`^value-invalid ashlar\\.yaml:\\d+ ${path}$`)),
    ])
  })

  const fromContainerfile = `apiVersion: ashlar/v1
kind: Image
metadata: { name: a, version: 1.0.0 }
spec:
  form: container
  base: { debian: bookworm }
  from: { containerfile: app/Containerfile }
`
  test('a Containerfile says what its container runs', () => {
    expect(definitionOf(fromContainerfile).spec.from).toEqual({
      containerfile: 'app/Containerfile',
      args: {},
    })
  })

  test.each([
    ['packages', '  packages: [hello]\n'],
    ['services', '  services: [nginx]\n'],
  ])('a Containerfile and %s are refused together', (key, more) => {
    expect(findingsOf(fromContainerfile + more)).toEqual([`value-invalid ashlar.yaml:8 spec.${key}`])
  })

  test('accepts a check that may fail for a day', () => {
    const text = edit('http://localhost/"', 'http://localhost/", within: 24h')
    expect(definitionOf(text).spec.health).toMatchObject([{ within: '24h' }])
  })

  test('names the nearest known key', () => {
    const parsed = parseDefinition(edit('services:', 'servces:'))
    expect(parsed.is === 'findings' && parsed.findings[0]?.message).toContain('"services"')
  })

  test('has a JSON Schema that knows the same keys', () => {
    const schema = definitionJsonSchema() as { properties: { spec: { properties: object } } }
    expect(Object.keys(schema.properties.spec.properties)).toEqual(
      expect.arrayContaining(['packages', 'files', 'health', 'trust']),
    )
  })
})
