import { type Digest, mediaType, parseDigest } from '../../../src/core/index.ts'
import {
  bundlesOf,
  OciError,
  openRemoteRepository,
  type Repository,
  readRelease,
} from '../../../src/oci/index.ts'
import { type HttpRequest, realSys, type Sys } from '../../../src/sys/index.ts'
import { type FuzzTarget, promise, textOf } from '../target.ts'
import { digest } from './core.ts'

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const origin = 'http://registry.test'
const named: Digest = parseDigest(digest)
const index = JSON.stringify({
  ...{ schemaVersion: 2, mediaType: mediaType.index },
  manifests: [{ mediaType: mediaType.manifest, digest, size: 7, artifactType: mediaType.bundle }],
})
const link = `</v2/gateway/tags/list?n=1&last=a>; rel="next"`
const answers: readonly (readonly Answer[])[] = [
  [
    { status: 200, headers: { link }, body: '{"name":"gateway","tags":["1.0.0"]}' },
    { status: 200, headers: {}, body: '{"tags":null}' },
  ],
  [{ status: 200, headers: { 'content-type': mediaType.index }, body: index }],
  [{ status: 206, headers: { 'content-range': 'bytes 5-9/10', 'content-length': '5' }, body: 'bytes' }],
  [
    { status: 307, headers: { location: 'https://storage.test/x?signature=y' }, body: '' },
    { status: 200, headers: { 'content-length': '5' }, body: 'bytes' },
  ],
  [
    { status: 404, headers: {}, body: '' },
    { status: 202, headers: { location: '/v2/gateway/blobs/uploads/1?state=x' }, body: '' },
    { status: 201, headers: {}, body: '' },
  ],
  [
    {
      status: 400,
      headers: {},
      body: '{"errors":[{"code":"DENIED","message":"m","detail":{"reason":"r"}}]}',
    },
  ],
]

/** The answers of an input, in the form in which the network hands them over: a status, header fields as text, a body. */
function answersOf(bytes: Uint8Array): readonly Answer[] {
  const value: unknown = JSON.parse(textOf(bytes))
  if (!Array.isArray(value) || !value.every((one) => typeof one === 'object' && one !== null))
    throw new SyntaxError('no list of answers')
  return value.map(({ status, headers, body }: Partial<Record<string, unknown>>) => ({
    status: Number.isInteger(status) && Number(status) >= 200 && Number(status) < 600 ? Number(status) : 200,
    headers: Object.fromEntries(
      Object.entries(headers ?? {}).filter((field) => typeof field[1] === 'string'),
    ) as Answer['headers'],
    body: typeof body === 'string' ? body : JSON.stringify(body ?? null),
  }))
}

/** A registry that gives these answers, one after the other, whatever it is asked; the last of them for ever. */
function registryOf(answers: readonly Answer[]): Repository {
  let given = 0
  const request = async ({ url, headers }: HttpRequest) => {
    const { protocol, origin: to } = new URL(url)
    // As node:http does.
    if (protocol !== 'http:' && protocol !== 'https:')
      throw new TypeError(`Protocol "${protocol}" not supported`)
    promise(headers?.authorization === undefined || to === origin, `the credential is sent to ${to}`)
    const answer = answers[Math.min(given++, answers.length - 1)]
    if (answer === undefined) throw new Error('cut')
    const body = (async function* () {
      yield Buffer.from(answer.body)
    })()
    return { ...answer, body }
  }
  const net = { ...realSys.net, request } as Sys['net']
  const clock = { ...realSys.clock, sleep: async () => undefined }
  return openRemoteRepository({ net, clock }, { url: origin, name: 'gateway', credential: () => 'Bearer x' })
}

const content = Buffer.from('bytes')
async function* chunks() {
  yield content
}

/** All that is asked of a registry. */
const asked: readonly ((repository: Repository) => Promise<unknown>)[] = [
  async (repository) => {
    for (const tag of await repository.tags()) promise(typeof tag === 'string', 'a tag that is none')
  },
  (repository) => repository.referrers(named, mediaType.bundle),
  (repository) => repository.manifest('1.0.0'),
  (repository) => bundlesOf(repository, named),
  (repository) => readRelease(repository, named),
  async (repository) => {
    const { sizeBytes = 0 } = (await repository.blobs.stat(named)) ?? {}
    promise(Number.isSafeInteger(sizeBytes), 'a size that is none')
  },
  async (repository) => {
    let bytes = 0
    for await (const chunk of repository.blobs.readFrom(named, 5, 10)) bytes += chunk.length
    promise(bytes <= 5, 'more than was asked for')
  },
  async (repository) => {
    for await (const _ of repository.blobs.read(named));
    throw new Error('content of another digest')
  },
  (repository) => repository.blobs.write(named, content.length, chunks()),
  (repository) => repository.putManifest(Buffer.from(index), mediaType.index, '1.0.0'),
]

export const registryClientTargets: readonly FuzzTarget[] = [
  {
    name: 'registry-answers',
    form: 'json',
    seeds: answers.map((one) => JSON.stringify(one)),
    words: [
      ...['link', 'location', 'content-range', 'content-length', 'content-type', 'status', 'headers', 'body'],
      ...[
        '</v2/x>; rel="next"',
        '<http://[>; rel=next',
        'data:,x',
        '//other.test/x',
        'bytes 5-',
        mediaType.index,
      ],
    ],
    refuses: [SyntaxError],
    async read(bytes) {
      const answers = answersOf(bytes)
      for (const ask of asked)
        await ask(registryOf(answers)).catch((error: unknown) => {
          if (!(error instanceof OciError)) throw error
        })
    },
  },
]
