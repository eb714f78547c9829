import type { IncomingMessage } from 'node:http'
import { createAuthority, createReplayMemory, mintToken } from '../../../src/identity/index.ts'
import { CredentialRefused, ServerError } from '../../../src/server/errors.ts'
import { authenticate } from '../../../src/server/principal.ts'
import { openTls, readAuthority } from '../../../src/server/tls.ts'
import type { Store } from '../../../src/store/index.ts'
import { realSys, type Sys } from '../../../src/sys/index.ts'
import { type FuzzTarget, promise, textOf } from '../target.ts'

const now = 1_800_000_000_000
const authority = createAuthority({ now })

/** A server's folder with these files. */
function folderOf(files: Readonly<Record<string, string>>): Sys {
  const readFile = async (path: string) => {
    const text = files[path.slice('/data/'.length)]
    if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
    return text
  }
  const disk = { readFile, writeDurably: async () => undefined } as unknown as Sys['disk']
  return { ...realSys, disk, clock: { ...realSys.clock, now: () => now } }
}

const kept: string[] = []
await openTls(
  {
    ...folderOf({ 'authority.pem': authority.certificate, 'authority.key': authority.privateKey }),
    disk: {
      ...folderOf({ 'authority.pem': authority.certificate, 'authority.key': authority.privateKey }).disk,
      writeDurably: async (_: string, text: string) => void kept.push(text),
    } as unknown as Sys['disk'],
  },
  '/data',
  ['127.0.0.1'],
)

const { token, hash } = mintToken(realSys.random, 'operator')

/** A store that knows one token and no node. */
const store = {
  claimOf: async (one: string) => (one === hash ? { is: 'operator', name: 'ops' } : undefined),
  get: async () => undefined,
} as unknown as Store

/** Readers of what a server is sent before it knows by whom, and of its own keys. */
export const serverTargets: readonly FuzzTarget[] = [
  {
    name: 'authorization',
    form: 'text',
    seeds: [`Bearer ${token}`, `basic ${Buffer.from(`x:${token}`).toString('base64')}`],
    words: ['Bearer ', 'Basic ', ' ', ':', token, '.', 'eyJhbGciOiJFZERTQSJ9.'],
    refuses: [ServerError, CredentialRefused],
    async read(bytes) {
      const request = { headers: { authorization: textOf(bytes) }, method: 'GET', url: '/v1/nodes' }
      const principal = await authenticate(
        {
          ...{ store, audience: 'ashlar-loopback', seen: createReplayMemory(), now: () => now },
          onRefused: () => undefined,
        },
        request as unknown as IncomingMessage,
      )
      promise(principal.is === 'operator' && principal.actor === 'operator:ops', 'another one than sent it')
    },
  },
  {
    name: 'authority',
    form: 'text',
    seeds: [authority.certificate],
    words: ['-----BEGIN CERTIFICATE-----', '-----END CERTIFICATE-----', '=='],
    refuses: [ServerError],
    read: (bytes) =>
      readAuthority(
        folderOf({ 'authority.pem': textOf(bytes), 'authority.key': authority.privateKey }),
        '/data',
      ),
  },
  {
    name: 'server-certificate',
    form: 'text',
    seeds: [kept.join('')],
    words: ['-----BEGIN CERTIFICATE-----', '-----BEGIN PRIVATE KEY-----', authority.certificate],
    refuses: [],
    async read(bytes) {
      const files = { 'authority.pem': authority.certificate, 'authority.key': authority.privateKey }
      const sys = folderOf({ ...files, 'server.pem': textOf(bytes) })
      const { cert, key } = await openTls(sys, '/data', ['127.0.0.1'])
      promise(key.includes('PRIVATE KEY') && cert.includes('CERTIFICATE'), 'a server without a certificate')
    },
  },
]
