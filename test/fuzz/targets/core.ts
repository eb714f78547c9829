import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import {
  canonicalJson,
  counterOfVersion,
  DigestError,
  isDigest,
  isTag,
  LockError,
  MalformedReference,
  parseDefinition,
  parseDigest,
  parseLock,
  parseReference,
  parseReleaseDocument,
  parseStatement,
  parseTrustRoot,
  parseVersion,
  printLock,
  printReference,
  printReleaseDocument,
  ReleaseDocumentError,
  StatementError,
  TrustRootError,
  VersionError,
} from '../../../src/core/index.ts'
import { type FuzzTarget, promise, RefusedByFindings, textOf } from '../target.ts'

const root = resolve(import.meta.dirname, '../../..')
export const digest = `sha256:${'ab'.repeat(32)}`

const definitions = [
  readFileSync(`${root}/examples/gateway/ashlar.yaml`),
  `apiVersion: ashlar/v1
kind: Image
metadata: { name: web, version: 1.2.3-rc.1+build.5 }
spec:
  form: container
  arch: arm64
  base: { debian: trixie, mirrors: { debian: "http://localhost/debian", debian-security: "https://localhost/s" } }
  packages: ["libstdc++6"]
  files: [{ from: rootfs/, to: /srv, owner: "www-data:adm", mode: "0640", directoryMode: "0750" }]
  users: [{ name: web, uid: 2000, groups: [adm], home: /srv, shell: /bin/sh }]
  services: &names [nginx]
  parameters: { logLevel: &level info, other: *level }
  counter: 7
  floor: 3
  run: { command: [/bin/web, --port, "80"], user: web, workdir: /srv, environment: { A: b } }
`,
  `apiVersion: ashlar/v1
kind: Image
metadata: { name: node, version: 0.0.1 }
spec:
  base: { debian: bookworm }
  kernel: { package: linux-image-amd64, arguments: [quiet, "panic=5"] }
  health:
    - { name: web, http: "http://localhost/", within: 30s }
    - { name: db, tcp: "localhost:5432" }
    - { name: unit, unit: nginx.service, within: 2m }
    - { name: run, exec: [/bin/true, -x], within: 24h }
  trust: { version: 2, release: { threshold: 2, keys: [a.pub, b.pub] }, director: { keys: [a.pub] } }
`,
]

const lockedPackage = {
  ...{ name: 'hello', version: '2.10-3', architecture: 'amd64', source: 'hello', archive: 'debian' },
  ...{ path: 'pool/main/h/hello/hello_2.10-3_amd64.deb', digest, sizeBytes: 53_080 },
}
const input = { version: '24.0.0', digest, sizeBytes: 1 }
const lock = {
  ...{
    lockVersion: 1,
    request: digest,
    architecture: 'amd64',
    suite: 'bookworm',
    epochSeconds: 1_700_000_000,
  },
  pockets: [{ name: 'bookworm', archive: 'debian', digest, sizeBytes: 1, signers: ['AB'.repeat(20)] }],
  ...{ packages: [lockedPackage], layers: [['hello']], tools: [lockedPackage], node: input, agent: input },
}

const content = { digest, sizeBytes: 4096 }
const disk = {
  root: content,
  verity: content,
  roothash: 'ab'.repeat(32),
  boot: content,
  kernel: '6.1.0-50-amd64',
}
export const releaseDocument = {
  ...{
    apiVersion: 'ashlar/v1',
    kind: 'Release',
    name: 'gateway',
    version: '1.0.0',
    counter: 1_000_000_000_000,
  },
  ...{ floor: 0, form: 'system', definition: digest, lock: digest, epochSeconds: 1_700_000_000 },
  parameters: { logLevel: 'info' },
  health: [{ name: 'web', http: 'http://localhost/', within: '30s' }],
  disks: { amd64: disk, arm64: disk },
}

export const publicKey =
  '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n'
export const trustRoot = {
  ...{ apiVersion: 'ashlar/v1', kind: 'TrustRoot', version: 1 },
  ...{ release: { threshold: 1, keys: [publicKey] }, director: { threshold: 1, keys: [publicKey] } },
}

export const statement = {
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: 'gateway', digest: { sha256: 'ab'.repeat(32) } }],
  predicateType: 'https://slsa.dev/provenance/v1',
  predicate: { buildDefinition: { buildType: 'x', externalParameters: { a: [1, 2.5, null] } } },
}

export const coreTargets: readonly FuzzTarget[] = [
  {
    name: 'definition',
    form: 'text',
    seeds: definitions,
    words: [
      'spec',
      'trust:',
      'run:',
      'floor: 2.0.0',
      '1.4.0',
      'sha256',
      '&names ',
      '*names',
      '<<: *names',
      '24h',
      '0s',
    ],
    refuses: [RefusedByFindings],
    read(bytes) {
      const parsed = parseDefinition(textOf(bytes))
      if (parsed.is === 'definition') return parsed
      promise(parsed.findings.length > 0, 'a definition is refused without a finding')
      for (const { message, where } of parsed.findings)
        promise(
          message !== '' && /^ashlar\.yaml:\d+/.test(where ?? ''),
          `a finding without place: ${message} at ${where}`,
        )
      throw new RefusedByFindings()
    },
  },
  {
    name: 'lock',
    form: 'json',
    seeds: [JSON.stringify(lock), JSON.stringify({ ...lock, tools: [], node: undefined, agent: undefined })],
    words: ['pool/../x.deb', 'arm64', digest],
    refuses: [LockError],
    read(bytes) {
      const text = printLock(parseLock(textOf(bytes)))
      promise(printLock(parseLock(text)) === text, 'a printed lock is read as another one')
    },
  },
  {
    name: 'release-document',
    form: 'json',
    seeds: [
      canonicalJson(releaseDocument),
      canonicalJson({ ...releaseDocument, disks: {}, form: 'container' }),
    ],
    refuses: [ReleaseDocumentError],
    read(bytes) {
      const text = textOf(bytes)
      promise(printReleaseDocument(parseReleaseDocument(text)) === text, 'accepts what is not canonical')
    },
  },
  {
    name: 'trust-root',
    form: 'json',
    seeds: [JSON.stringify(trustRoot)],
    refuses: [TrustRootError],
    read(bytes) {
      const { release, director } = parseTrustRoot(textOf(bytes))
      for (const { threshold, keys } of [release, director])
        promise(threshold >= 1 && threshold <= keys.length, 'a threshold that nobody can reach, or everybody')
    },
  },
  {
    name: 'statement',
    form: 'json',
    seeds: [JSON.stringify(statement)],
    refuses: [StatementError],
    read(bytes) {
      const { subject, predicateType } = parseStatement(textOf(bytes))
      promise(typeof predicateType === 'string' && subject.length > 0, 'a statement without type or subject')
    },
  },
  {
    name: 'reference',
    form: 'text',
    seeds: [
      'gateway',
      'gateway:1.1.0',
      `localhost:5000/a/b.c-d__e:tag@${digest}`,
      '[::1]:443/x',
      'example.org/x/y',
    ],
    words: [digest, 'localhost', '__', '--', '.', '[::1]'],
    refuses: [MalformedReference],
    read(bytes) {
      const reference = parseReference(textOf(bytes))
      const again = parseReference(printReference(reference))
      promise(canonicalJson(again) === canonicalJson(reference), 'a printed reference is read as another one')
      promise(reference.tag === undefined || isTag(reference.tag), 'a tag that is none')
    },
  },
  {
    name: 'digest',
    form: 'text',
    seeds: [digest],
    refuses: [DigestError],
    read: (bytes) => promise(isDigest(parseDigest(textOf(bytes))), 'a digest that is none'),
  },
  {
    name: 'version',
    form: 'text',
    seeds: ['1.2.3', '0.0.0-alpha.1.x-y+001.sha', '9006.999999.999999'],
    words: ['1.', '-', '+', '0', '9007199254740993'],
    refuses: [VersionError],
    read: (bytes) =>
      promise(Number.isSafeInteger(counterOfVersion(parseVersion(textOf(bytes)))), 'no counter'),
  },
]
