import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createNodeKey } from '../../src/identity/index.ts'
import { type RunningServer, startServer } from '../../src/server/index.ts'
import { generateKeyPair, loadPrivateKey } from '../../src/sign/index.ts'
import { realSys } from '../../src/sys/index.ts'

/** A node that asks once, as a process of its own: only so can the clock that TLS looks at be another. */
const program = `
import { openServerLink } from ${JSON.stringify(resolve(import.meta.dirname, '../../src/agent/index.ts'))}
import { realSys } from ${JSON.stringify(resolve(import.meta.dirname, '../../src/sys/index.ts'))}
const identity = JSON.parse(process.argv[2])
const link = openServerLink(realSys, identity)
link.assignment({ epoch: 0, number: 0 }, 0).then(
  () => process.stdout.write('answered'),
  (error) => process.stdout.write(String(error.code)),
).finally(() => process.exit())
`
const folder = mkdtempSync(join(tmpdir(), 'ashlar-clock-'))
const script = join(folder, 'node.mjs')
let server: RunningServer
let identity: string

beforeAll(async () => {
  writeFileSync(join(folder, 'node.ts'), program)
  await build({
    ...{ entryPoints: [join(folder, 'node.ts')], outfile: script, logLevel: 'error' },
    ...{ bundle: true, platform: 'node', format: 'esm', target: 'node24' },
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  })
  server = await startServer({
    ...{ sys: realSys, dataFolder: join(folder, 'server'), onError: () => undefined },
    ...{ listen: { host: '0.0.0.0', port: 0 }, advertise: ['127.0.0.1'] },
    directorKey: loadPrivateKey(generateKeyPair().privateKey),
  })
  const ca = server.authority?.pem ?? ''
  const call = async (path: string, token: string, body: object) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const sent = { method: 'POST', url: server.url + path, headers, body: JSON.stringify(body), ca }
    const text = Buffer.concat(await Array.fromAsync((await realSys.net.request(sent)).body)).toString()
    return JSON.parse(text) as Record<string, string>
  }
  const { token = '' } = await call('/v1/tokens', server.adminToken ?? '', {
    is: 'enrolment',
    node: 'n',
    labels: {},
  })
  const { publicKey, privateKey } = createNodeKey()
  await call('/v1/enrol', token, { publicKey })
  identity = JSON.stringify({ node: 'n', server: server.url, ca, privateKey, publicKey, enrolled: true })
})
afterAll(async () => {
  await server.close()
  rmSync(folder, { recursive: true })
})

function asked(...clock: readonly string[]): Promise<string> {
  const [program = '', ...args] = [...clock, process.execPath, script, identity]
  return new Promise((done) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', (chunk) => (text += chunk))
    child.once('exit', () => done(text))
  })
}

test.each([
  ['of 1970', ['faketime', '-f', '@1970-01-02 00:00:00'], 'clock-far-off'],
  ['that is ten years ahead', ['faketime', '-f', '+10y'], 'clock-far-off'],
  ['that is an hour ahead', ['faketime', '-f', '+1h'], 'clock-far-off'],
  ['that is right', [], 'answered'],
] as const)('a node with a clock %s, over TLS: %s', async (_, clock, said) => {
  expect(await asked(...clock)).toBe(said)
})
