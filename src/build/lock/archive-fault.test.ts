import { expect, test } from 'vitest'
import { archiveFault } from './archive-fault.ts'

const address = 'http://mirror.example/debian'

/** As apt 2.6 with gpgv and apt 3.0 with sqv wrote them. What real faults come to is tried in test/system. */
test.each([
  [
    'a key that is missing, for gpgv',
    `W: GPG error: ${address} bookworm InRelease: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY 68CA6886EEC38A02\nE: The repository '${address} bookworm InRelease' is not signed.\n`,
    'archive-key-unknown',
    /NO_PUBKEY 68CA6886EEC38A02$/,
  ],
  [
    'a key that is missing, for sqv',
    `W: OpenPGP signature verification failed: ${address} bookworm InRelease: Sub-process /usr/bin/sqv returned an error code (1), error message is: Missing key 4485C3B2, which is needed to verify signature.\nE: The repository '${address} bookworm InRelease' is not signed.\n`,
    'archive-key-unknown',
    /Missing key 4485C3B2/,
  ],
  [
    'an altered index, for sqv',
    `W: OpenPGP signature verification failed: ${address} bookworm InRelease: Sub-process /usr/bin/sqv returned an error code (1), error message is: Verifying signature:            Message has been manipulated\nE: The repository '${address} bookworm InRelease' is not signed.\n`,
    'archive-invalid',
    /altered/,
  ],
  [
    'a mirror that is down, beside a key that is missing for one of two signatures',
    `W: ${address} bookworm InRelease: NO_PUBKEY 68CA6886EEC38A02\nE: Failed to fetch ${address}/dists/bookworm/InRelease  Could not connect to mirror.example:80 (192.0.2.1). - connect (111: Connection refused)\n`,
    'archive-unreachable',
    /Could not connect to mirror\.example:80/,
  ],
  ['what nobody has seen yet', 'E: Something else\n', 'archive-unreachable', /Something else$/],
  ['nothing at all', '', 'archive-unreachable', /cannot be read/],
])('%s', (_, stderr, code, says) => {
  expect(archiveFault(stderr, '/state').error).toMatchObject({ code, message: expect.stringMatching(says) })
})

test('a full disk is told with the folder, all else with the address, and never with its password', () => {
  const fetch = 'E: Failed to fetch http://user:p@ss:secret@mirror.example/debian/x.deb'
  const full = archiveFault(
    `${fetch}  Error writing to file - write (28: No space left on device)\n`,
    '/state',
  )
  expect(full.error).toMatchObject({ code: 'disk-full', where: '/state' })
  const gone = archiveFault(`${fetch}  Connection timed out [IP: 192.0.2.1 80]\n`, '/state')
  expect(gone.error.where).toBe('http://mirror.example/debian/x.deb')
  expect(`${gone.error.message} ${gone.error.hint}`).not.toContain('secret')
})
