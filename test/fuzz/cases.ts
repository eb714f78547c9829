/** What the fuzzer found, and what was mended then: each must be read without breaking a promise of its target. */
export const cases: readonly (readonly [target: string, what: string, input: string])[] = [
  ['definition', 'an alias without an anchor', 'spec: *nobody'],
  ['definition', 'a thousand million laughs', laughs('apiVersion: ashlar/v1')],
  ['definition', 'lists in lists, ten thousand deep', '['.repeat(10_000)],
  ['resources', 'an alias without an anchor', 'kind: Fleet\nmetadata: *nobody'],
  ['resources', 'a thousand million laughs', laughs('kind: Fleet')],
  ['resources', 'lists in lists, ten thousand deep', '['.repeat(10_000)],
  [
    'lock',
    'thousands of things that are wrong',
    JSON.stringify({ packages: Array.from({ length: 5_000 }, () => 0) }),
  ],
  [
    'request-status',
    'thousands of things that are wrong',
    JSON.stringify({ warnings: Array.from({ length: 5_000 }, () => 0) }),
  ],
  ['version', 'sixty thousand digits', '1'.repeat(60_000)],
  ['release-document', 'half a character', releaseDocument('"\\ud800"')],
  ['request-labels', 'half a character', '{"kind":"Node","metadata":{"name":"n","labels":{"a":"\\ud800"}}}'],
  ['request-labels', 'a number without end', '{"kind":"Node","metadata":{"name":"n"},"spec":1e999}'],
  [
    'request-labels',
    'objects in objects, ten thousand deep',
    `{"kind":"Node","metadata":{"name":"n"},"spec":${deep(10_000)}}`,
  ],
  ['boot-facts', 'an unknown field, ten thousand deep', `{"x":${deep(10_000)}}`],
  ['agent-state', 'an unknown field, ten thousand deep', `{"x":${deep(10_000)}}`],
  ['launcher-answer', 'no JSON', 'x'],
  ['launcher-answer', 'null', 'null'],
  ['login', 'a certificate that is no text', '{"url":"http://h","token":"x","ca":5}'],
  ['archive-packages', 'a package without a size', packageOf('')],
  ['archive-packages', 'a package without a version', packageOf('Size: 1\n').replace('Version: 1\n', '')],
  ['archive-packages', 'a path out of the archive', packageOf('Size: 1\n').replace('pool/', 'pool/../../')],
  ['archive-release', 'a date before 1970', 'Date: Thu, 01 Jan 1960 00:00:00 UTC\n'],
  [
    'archive-release',
    'a size that is none',
    `Date: Sat, 06 Sep 2025 10:00:00 UTC\nSHA256:\n ${'ab'.repeat(32)} x main/P\n`,
  ],
  ['apt-output', 'a package without a name', 'Inst :amd64 (1 Debian [amd64])'],
  [
    'gpgv-status',
    'a line of thousands of signatures',
    `[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG \n${'VALIDSIG '.repeat(6_000)}`,
  ],
  ['adopted-system', 'a user twice', adopted('passwd\tweb:x:1000:', 'passwd\tweb:x:1001:')],
  ['adopted-system', 'a user with half a number', adopted('passwd\tweb:x:1000.5:')],
  ['adopted-system', 'a mode of five digits', adopted('entry\tf\t66644\t0\t0\t1\t/i')],
  [
    'containerfile',
    'a value that doubles with each line',
    `ARG A=xx\n${'ARG A=$A$A\n'.repeat(60)}FROM registry.test/a\n`,
  ],
  [
    'containerfile',
    'a base whose name goes on in the next line',
    'FROM registry.test/a\nCOPY --from=registry.te\\\nst/b /a /b\n',
  ],
  [
    'containerfile',
    'a base that a comment names first',
    'FROM registry.test/a\nCOPY \\\n# --from=registry.test/b\n --from=registry.test/b /a /b\n',
  ],
  ['apt-targets', 'a mirror without an address', '|bookworm\n|bookworm-security\n'],
  [
    'apt-targets',
    'thousands of lines',
    `http://m.test|bookworm\n${'http://n\n'.repeat(6_000)}http://m.test|a-security`,
  ],
  ['git-remote', 'a host of 20,000 capitals', `https://${'I'.repeat(20_000)}`],
  [
    'registry-answers',
    'a next page that is nowhere',
    answer({ link: '<http://[>; rel="next"' }, '{"tags":[]}'),
  ],
  ['registry-answers', 'a place of no web', answer({ location: 'data:,x' }, '', 307)],
  [
    'adopted-system',
    'sixteen thousand folders in each other',
    adopted(`entry\td\t755\t0\t0\t1\t${'/a'.repeat(16_000)}`),
  ],
  ['adopted-content', 'words after words', 'pass'.repeat(16_000)],
  ['adopted-content', 'calls after calls', 'mysql '.repeat(10_000)],
  ['adopted-content', 'a header and nothing', `authorization${' '.repeat(60_000)}`],
  ['package-control', 'sixty thousand empty lines', `Package: hello${'\n'.repeat(60_000)}x`],
]

function answer(headers: Readonly<Record<string, string>>, body: string, status = 200): string {
  return JSON.stringify([{ status, headers, body }])
}

function laughs(head: string): string {
  const lines = Array.from({ length: 10 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i}, `.repeat(9)}*a${i}]`)
  return `${head}\na0: &a0 ha\n${lines.join('\n')}\n`
}

function deep(levels: number): string {
  return `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
}

function packageOf(size: string): string {
  return `Package: hello\nVersion: 1\nArchitecture: all\nFilename: pool/h.deb\n${size}SHA256: ${'ab'.repeat(32)}\n`
}

function releaseDocument(value: string): string {
  const digest = `"sha256:${'ab'.repeat(32)}"`
  return `{"apiVersion":"ashlar/v1","counter":1,"definition":${digest},"disks":{},"epochSeconds":1,"floor":0,"form":"container","health":[],"kind":"Release","lock":${digest},"name":"n","parameters":{"a":${value}},"version":"1.0.0"}`
}

function adopted(...lines: readonly string[]): string {
  const dpkg = ['Package: dpkg', 'Architecture: amd64', 'Status: install ok installed'].map(
    (line) => `status\t${line}`,
  )
  return ['release\tID=debian', 'release\tVERSION_CODENAME=bookworm', ...dpkg, ...lines].join('\n')
}
