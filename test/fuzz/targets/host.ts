import { BuildError } from '../../../src/build/errors.ts'
import { parseContainerfile } from '../../../src/build/inputs/containerfile.ts'
import { archiveFault } from '../../../src/build/lock/archive-fault.ts'
import { chooseMirrors } from '../../../src/build/lock/mirrors.ts'
import { toolFailure } from '../../../src/build/workshop/tool-failure.ts'
import { parseReference } from '../../../src/core/index.ts'
import { describeCommit } from '../../../src/evidence/index.ts'
import { generateKeyPair, loadPrivateKey, SignError } from '../../../src/sign/index.ts'
import type { ExecResult, Sys } from '../../../src/sys/index.ts'
import { type FuzzTarget, promise, RefusedByFindings, textOf } from '../target.ts'

const containerfile = `# escape=\\
ARG HOST=registry.test TAG="1"
ARG BASE=$HOST/plants/one:\${TAG:-2}
FROM --platform=linux/amd64 $BASE AS made
RUN --mount=type=bind,from=registry.test/plants/two:2,target=/m --mount=from=made,target=/n true \\
  # between
  && echo done
COPY --chown=1:1 --from=registry.test/plants/three@sha256:${'ab'.repeat(32)} /a /b
RUN <<-END
\tFROM nothing
\tEND
from scratch
COPY --from=Made /a /b
ENTRYPOINT ["/a"]
`

const complaints = [
  'E: Failed to fetch http://user:secret@mirror.test/debian/x  404  Not Found [IP: 10.0.0.1 80]\n',
  'W: GPG error: http://mirror.test bookworm InRelease: EXPKEYSIG 0E98404D386FA1D9 Debian\nE: The repository is not signed.\n',
  'E: Could not handshake: The TLS connection was non-properly terminated.\n',
]

const parse = (text: string) => {
  const parsed = parseContainerfile(text, { file: 'C', architecture: 'amd64', args: { TAG: '3' } })
  if (parsed.is === 'containerfile') return parsed
  promise(parsed.findings.length > 0, 'a Containerfile is refused without a finding')
  const lines = text.split('\n').length
  for (const { where } of parsed.findings)
    promise(Number(/^C:(\d+)$/.exec(where ?? '')?.[1]) <= lines, `a finding at ${where}`)
  throw new RefusedByFindings()
}

/** A world in which every program says this, and each disk has room. */
function worldOf(result: ExecResult): Sys {
  const statfs = async () => ({ bavail: 1e9, bsize: 4096 })
  return { exec: { run: async () => result }, disk: { statfs } } as unknown as Sys
}

/** Readers of what people wrote and what programs of the host say. */
export const hostTargets: readonly FuzzTarget[] = [
  {
    name: 'containerfile',
    form: 'text',
    seeds: [containerfile, 'FROM registry.test/plants/one\nADD a /a\n'],
    words: [
      ...[
        'FROM ',
        'COPY --from=',
        'RUN --mount=from=',
        'ARG A=$A$A\n',
        '\\\n',
        '`\n',
        '# escape=`\n',
        ' AS ',
      ],
      ...[
        '<<END\n',
        '${A:-',
        '${A:+',
        '}',
        ' registry.test/a/b',
        '--from=registry.test/a/b ',
        'scratch',
        '\r',
      ],
    ],
    refuses: [RefusedByFindings],
    read(bytes) {
      const { bases, pinned } = parse(textOf(bytes))
      for (const base of bases)
        promise(parseReference(base).registry !== undefined, `${base} is of no registry`)
      const locked = (base: number) => `localhost/ashlar/base-${base}`
      const again = parse(pinned(locked)).bases
      promise(
        again.toSorted().join() ===
          bases
            .map((_, base) => `${locked(base)}:latest`)
            .toSorted()
            .join(),
        `what is built is not built on the locked images alone: ${again.join(' ')}`,
      )
    },
  },
  {
    name: 'apt-targets',
    form: 'text',
    seeds: ['http://mirror.test/debian/|bookworm\nhttps://mirror.test/debian-security|bookworm-security\n'],
    words: ['|', '-security', 'bookworm', '\n'],
    refuses: [BuildError],
    read(bytes) {
      for (const uri of Object.values(chooseMirrors('bookworm', textOf(bytes))))
        promise(uri !== '', 'a mirror without an address')
    },
  },
  {
    name: 'apt-complaints',
    form: 'text',
    seeds: complaints,
    words: ['E: ', 'W: ', '//a@', 'http://', 'certificate', 'Hash Sum mismatch', 'NO_PUBKEY ', '404  '],
    refuses: [],
    read(bytes) {
      const { message, where } = archiveFault(`${textOf(bytes)} http://a:s3cr3t@mirror.test/`, '/apt').error
      promise(!`${message} ${where}`.includes('s3cr3t'), 'a password in an error')
    },
  },
  {
    name: 'program-words',
    form: 'text',
    seeds: ['dpkg: error processing package x (--configure):\n', complaints[0] ?? ''],
    words: ['\n', 'No space left on device', '\u001b[2J'],
    refuses: [],
    read: (bytes) => {
      const result = { exitCode: 1, stdout: bytes, stderr: textOf(bytes) }
      return toolFailure(worldOf(result), 'dpkg', result, '/work')
    },
  },
  {
    name: 'git-remote',
    form: 'text',
    seeds: ['https://user:token@host.test/a/b.git', 'git@host.test:a/b.git', 'ssh://git@host.test:22/a'],
    words: ['://', '@', ':', '/', 'file:', '%40', '[::1]'],
    refuses: [],
    async read(bytes) {
      const commit = '0'.repeat(40)
      const run = async (_: string, args: readonly string[]) => ({
        ...{ exitCode: 0, stderr: '' },
        stdout: args.includes('remote') ? bytes : Buffer.from(commit),
      })
      const exec = { ...worldOf({ exitCode: 0, stdout: bytes, stderr: '' }).exec, run }
      const { remote } = (await describeCommit(exec, '/')) ?? {}
      if (remote === undefined) return
      const { username, password } = new URL(remote)
      promise(username === '' && password === '', 'a password goes into the provenance')
    },
  },
  {
    name: 'private-key',
    form: 'text',
    seeds: [generateKeyPair().privateKey, generateKeyPair('ecdsa-p256').privateKey],
    words: ['-----BEGIN ENCRYPTED PRIVATE KEY-----\n', '-----BEGIN RSA PRIVATE KEY-----\n', '=='],
    refuses: [SignError],
    read: (bytes) => loadPrivateKey(textOf(bytes)).sign(bytes),
  },
]
