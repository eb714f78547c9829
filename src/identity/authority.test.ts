import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { addressBytes } from './address.ts'
import { certificateFingerprint, createAuthority, issueServerCertificate, needsRenewal } from './index.ts'

const dayMs = 24 * 3_600_000
const now = Date.now()
const authority = createAuthority({ now })
const names = { names: ['localhost', 'ashlar.example'], addresses: ['127.0.0.1', 'fd00::1'] }
const server = issueServerCertificate(authority, { ...names, now })

/** A real handshake by name, or else by address: the error code of the client, or nothing. */
async function handshake(ca: string, servername?: string, chain = server): Promise<string | undefined> {
  const listener = createServer({ key: chain.privateKey, cert: chain.chain }, (socket) => socket.end())
  listener.on('tlsClientError', () => undefined)
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  const client = connect({ host: '127.0.0.1', port, ca, ...(servername !== undefined && { servername }) })
  try {
    await once(client, 'secureConnect')
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  } finally {
    client.destroy()
    listener.close()
  }
}

describe("the server's authority", () => {
  test('is believed by a TLS client that pins it', async () => {
    expect(await handshake(authority.certificate)).toBeUndefined()
    expect(await handshake(authority.certificate, 'localhost')).toBeUndefined()
    expect(await handshake(authority.certificate, 'ashlar.example')).toBeUndefined()
  })

  test('is not believed under another name, nor by a client that pins another', async () => {
    expect(await handshake(authority.certificate, 'other.example')).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
    expect(await handshake(createAuthority({ now }).certificate, 'localhost')).toBe(
      'SELF_SIGNED_CERT_IN_CHAIN',
    )
  })

  test('does not give out certificates of the past for the present', async () => {
    const old = issueServerCertificate(authority, { ...names, now: now - 826 * dayMs })
    expect(await handshake(authority.certificate, 'localhost', old)).toBe('CERT_HAS_EXPIRED')
  })

  test('gives out certificates that OpenSSL finds flawless', () => {
    const folder = mkdtempSync(join(tmpdir(), 'ashlar-authority-'))
    try {
      writeFileSync(join(folder, 'ca.pem'), authority.certificate)
      writeFileSync(join(folder, 'chain.pem'), server.chain)
      for (const wanted of [
        ['-verify_ip', '127.0.0.1'],
        ['-verify_ip', 'fd00::1'],
        ['-verify_hostname', 'ashlar.example'],
      ])
        expect(
          execFileSync(
            'openssl',
            ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', 'ca.pem', ...wanted, 'chain.pem'],
            { cwd: folder, encoding: 'utf8' },
          ),
        ).toBe('chain.pem: OK\n')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('is known by the fingerprint of its own certificate, which the chain ends with', () => {
    const [leaf = '', root = ''] = server.chain.split(/(?<=-----END CERTIFICATE-----\n)/)
    expect(root).toBe(authority.certificate)
    expect(certificateFingerprint(root)).toBe(
      `sha256:${new X509Certificate(root).fingerprint256.replaceAll(':', '').toLowerCase()}`,
    )
    expect(certificateFingerprint(server.chain)).toBe(certificateFingerprint(leaf))
    expect(() => certificateFingerprint('x')).toThrow(
      expect.objectContaining({ code: 'certificate-unreadable' }),
    )
  })

  test('lives for ten years and cannot sign another authority', () => {
    const { ca, validToDate, validFromDate } = new X509Certificate(authority.certificate)
    expect([ca, new X509Certificate(server.chain).ca]).toEqual([true, false])
    expect(Math.round((validToDate.getTime() - now) / dayMs / 365.25)).toBe(10)
    expect(validFromDate.getTime()).toBeLessThan(now)
  })

  test('of after 2040 still says when it ends', () => {
    const later = Date.UTC(2045, 0, 1)
    expect(
      new X509Certificate(createAuthority({ now: later }).certificate).validToDate.getUTCFullYear(),
    ).toBe(2055)
  })

  test.each([
    ['is left alone when new', 0, false],
    ['is left alone for a year', 365, false],
    ['is renewed in its second half', 420, true],
    ['is renewed when it has ended', 900, true],
  ])("a server's certificate %s", (_name, days, expected) => {
    expect(needsRenewal(server.chain, now + days * dayMs)).toBe(expected)
  })
})

describe('an address in a certificate', () => {
  test.each([
    ['10.0.0.1', '0a000001'],
    ['::', '0'.repeat(32)],
    ['::1', `${'0'.repeat(31)}1`],
    ['fd00::', `fd00${'0'.repeat(28)}`],
    ['2001:db8:0:1::2', '20010db8000000010000000000000002'],
    ['::ffff:10.0.0.1', '00000000000000000000ffff0a000001'],
  ])('%s is %s', (address, hex) => {
    expect(Buffer.from(addressBytes(address)).toString('hex')).toBe(hex)
  })

  test.each(['', 'localhost', '256.0.0.1', '1.2.3', 'fd00', '::1%eth0', 'fd00::1::2', ':::'])(
    '%j is none',
    (address) => {
      expect(() => addressBytes(address)).toThrow(expect.objectContaining({ code: 'address-malformed' }))
    },
  )
})
