import { createPublicKey } from 'node:crypto'
import { join } from 'node:path'
import { canonicalJson, type Definition, parseTrustRoot } from '../../core/index.ts'
import { whenThere } from '../../disk/index.ts'
import type { Sys } from '../../sys/index.ts'
import { BuildError } from '../errors.ts'

type Trust = NonNullable<Definition['spec']['trust']>

/** The text of `trust.json`, made from the definition's key files. @throws BuildError `file-missing`, `key-invalid`; TrustRootError */
export async function trustText(sys: Sys, folder: string, trust: Trust): Promise<string> {
  const role = async ({ threshold, keys }: Trust['release']) => ({
    threshold,
    keys: await Promise.all(keys.map((key) => readKey(sys, join(folder, key)))),
  })
  const text = canonicalJson({
    apiVersion: 'ashlar/v1',
    kind: 'TrustRoot',
    version: trust.version,
    release: await role(trust.release),
    director: await role(trust.director),
  })
  parseTrustRoot(text)
  return text
}

async function readKey(sys: Sys, file: string): Promise<string> {
  const bytes = await whenThere(sys.disk.readFile(file))
  const hint = 'ashlar key new makes a pair of keys'
  if (bytes === undefined)
    throw new BuildError('file-missing', `the public key ${file} is not there`, { where: file, hint })
  const text = new TextDecoder().decode(bytes)
  // A private key, too, can be read as a public one: its text must never get into an image.
  if (!/^-----BEGIN PUBLIC KEY-----\n/.test(text))
    throw new BuildError('key-invalid', `${file} is not a public key in PEM`, { where: file, hint })
  try {
    return createPublicKey(text).export({ type: 'spki', format: 'pem' }).toString()
  } catch (cause) {
    throw new BuildError('key-invalid', `${file} is not a public key in PEM`, { where: file, hint, cause })
  }
}
