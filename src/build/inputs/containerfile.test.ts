import { expect, test } from 'vitest'
import { parseContainerfile } from './containerfile.ts'

const one = 'registry.test/plants/one:1'
const two = 'registry.test/plants/two:2'
const digest = `sha256:${'a'.repeat(64)}`

const parse = (text: string, args: Readonly<Record<string, string>> = {}) =>
  parseContainerfile(text, { file: 'Containerfile', architecture: 'amd64', args })

function read(text: string, args: Readonly<Record<string, string>> = {}) {
  const parsed = parse(text, args)
  if (parsed.is === 'findings') throw new Error(JSON.stringify(parsed.findings))
  return parsed
}

test.each([
  ['one stage', `FROM ${one}\n`, [one]],
  [
    'a tag that is left out means latest',
    'FROM registry.test/plants/one\n',
    ['registry.test/plants/one:latest'],
  ],
  [
    'where a digest stands, the tag says nothing',
    `FROM ${one}@${digest}\n`,
    [`registry.test/plants/one@${digest}`],
  ],
  ['two names of one image', `FROM ${one} AS a\nFROM ${one}\n`, [one]],
  ['nothing at all', 'FROM scratch\nCOPY a /a\n', []],
  ['an earlier stage, in any case', `FROM ${one} AS Made\nFROM made\nCOPY --from=0 /a /b\n`, [one]],
  ['an image that a COPY takes from', `FROM ${one}\nCOPY --chown=1:1 --from=${two} /a /b\n`, [one, two]],
  [
    'an image that a RUN mounts',
    `FROM ${one}\nRUN --mount=type=bind,from=${two},target=/m true\n`,
    [one, two],
  ],
  [
    'words in small letters, comments, lines that go on',
    `# first\nfrom \\\n  # between\n\n  ${one} \\\n  as a\n`,
    [one],
  ],
  [
    'another character for lines that go on',
    `# escape=\`\nFROM \`\n${one}\nRUN echo \\\nFROM ${two}\n`,
    [one, two],
  ],
  ['a FROM in a here-document is text', `FROM ${one}\nRUN <<-END\n\tFROM ${two}\n\tEND\nCOPY a /a\n`, [one]],
  ['a FROM that an echo goes on with is text', `FROM ${one}\nRUN echo \\\nFROM ${two}\n`, [one]],
])('what a Containerfile is built on: %s', (_, text, bases) => {
  expect(read(text).bases).toEqual(bases)
})

test.each([
  ['as it is by default', `ARG BASE="${one}"\nFROM $BASE\n`, {}, [one]],
  ['as the definition has it', `ARG BASE=${one}\nFROM \${BASE}\n`, { BASE: two }, [two]],
  [
    'one of another',
    `ARG HOST=registry.test TAG=1\nARG BASE=$HOST/plants/one\nFROM $BASE:\${TAG}\n`,
    {},
    [one],
  ],
  ['or otherwise', `ARG TAG\nFROM registry.test/plants/one:\${TAG:-1}\n`, {}, [one]],
  ['or instead', `ARG NEW=yes\nFROM registry.test/plants/\${NEW:+two:2}\n`, {}, [two]],
  ['of the target', 'FROM registry.test/plants/one:$TARGETARCH\n', {}, ['registry.test/plants/one:amd64']],
])('ARG in FROM: %s', (_, text, args, bases) => {
  expect(read(text, args).bases).toEqual(bases)
})

test.each([
  ['no FROM', 'RUN true\n', ['stage-missing Containerfile:1']],
  ['an image of no registry', 'FROM one:1\n', ['base-unclear Containerfile:1']],
  ['a base that an ARG leaves empty', 'ARG BASE\nFROM $BASE\n', ['base-unclear Containerfile:2']],
  [
    'a stage that comes later',
    `FROM ${one}\nCOPY --from=late /a /b\nFROM ${one} AS late\n`,
    ['base-unclear Containerfile:2'],
  ],
  ['another platform', `FROM --platform=linux/arm64 ${one}\n`, ['platform-other Containerfile:1']],
  [
    'ADD from the network',
    `FROM ${one}\nADD --chmod=755 https://x.test/a /a\n`,
    ['add-remote Containerfile:2'],
  ],
  ['ADD from a repository', `FROM ${one}\nADD ["git@x.test:a.git", "/a"]\n`, ['add-remote Containerfile:2']],
  ['a secret', `FROM ${one}\nRUN --mount=type=secret,id=a true\n`, ['mount-secret Containerfile:2']],
  ['a FROM of three words', `FROM ${one} two three\n`, ['from-unclear Containerfile:1']],
  [
    'a value that grows without end',
    `ARG A=xx\n${'ARG A=$A$A\n'.repeat(11)}FROM ${one}\n`,
    ['value-too-long Containerfile:12'],
  ],
  [
    'several at once',
    'FROM one\nADD ftp://a/b /b\n',
    ['base-unclear Containerfile:1', 'add-remote Containerfile:2'],
  ],
])('%s is refused, by its line', (_, text, found) => {
  const parsed = parse(text)
  expect(parsed.is === 'findings' && parsed.findings.map(({ code, where }) => `${code} ${where}`)).toEqual(
    found,
  )
})

test('what nobody can promise is said, by its line', () => {
  const { doubts } = read(`FROM ${one}@${digest}\nRUN a\nFROM ${two}\nRUN b\n`)
  expect(doubts.map(({ code, where }) => `${code} ${where}`)).toEqual([
    'run-unproven Containerfile:2',
    'base-by-tag Containerfile:3',
    'run-unproven Containerfile:4',
  ])
})

test('the pinned text names what is locked and nothing else, and leaves the rest as it is', () => {
  const text = `# note
ARG BASE=${one}
FROM \${BASE} AS made
RUN --mount=type=bind,from=${two},target=/m --mount=type=cache,target=/c \\
  cp /m/a ${one}
FROM made
COPY --from=${two} /a \\
  /b
`
  expect(read(text).pinned((base) => `base-${base}`)).toBe(`# note
ARG BASE=${one}
FROM base-0 AS made
ARG SOURCE_DATE_EPOCH
RUN --mount=type=bind,from=base-1,target=/m --mount=type=cache,target=/c   cp /m/a ${one}
FROM made
ARG SOURCE_DATE_EPOCH
COPY --from=base-1 /a   /b
`)
})

test.each([
  [
    'a name that goes on in the next line',
    `COPY --from=registry.te\\\nst/a/b /a /b`,
    'COPY --from=base-1 /a /b',
  ],
  [
    'a comment before it that names it, too',
    `COPY \\\n# --from=${two}\n --from=${two} /a /b`,
    'COPY --from=base-1 /a /b',
  ],
  [
    'a flag before it that names it, too',
    `COPY --chown=--from=${two} --from=${two} /a /b`,
    `COPY --chown=--from=${two} --from=base-1 /a /b`,
  ],
  [
    'two mounts of one image',
    `RUN --mount=from=${two},target=/a --mount=from=${two},target=/b a`,
    'RUN --mount=from=base-1,target=/a --mount=from=base-1,target=/b a',
  ],
  [
    'two images of one mount',
    `RUN --mount=from=${one},from=${two} a`,
    'RUN --mount=from=base-0,from=base-1 a',
  ],
  [
    'a document that names it, too',
    `RUN --mount=from=${two} cat <<A <<B\nfrom=${two}\nA\nB`,
    `RUN --mount=from=base-1 cat <<A <<B\nfrom=${two}\nA\nB`,
  ],
])('the pinned text names what is locked for %s', (_, text, pinned) => {
  expect(read(`FROM ${one}\n${text}\n`).pinned((base) => `base-${base}`)).toBe(
    `FROM base-0\nARG SOURCE_DATE_EPOCH\n${pinned}\n`,
  )
})
