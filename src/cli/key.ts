import { basename, dirname, resolve } from 'node:path'
import { generateKeyPair, type KeyKind, keyKinds } from '../sign/index.ts'
import type { Registrar } from './command.ts'
import { CliError, type Context } from './context.ts'
import { readTextFile } from './files.ts'

/** `ashlar key new`: a key pair; the private half is readable by its owner alone. */
export function addKey({ group, command, act }: Registrar): void {
  command(
    {
      usage: 'new <path>',
      summary: 'make a key pair: <path>.key (private) and <path>.pub (public, goes into trust:)',
      about:
        'Release keys say that a digest is a release of an image; the director key signs the server’s orders to nodes. The public halves go into the definition, under trust:, and so into the image: a node believes nobody else. Keep release keys offline. A key that is there is never overwritten.',
      examples: [
        'key new keys/release',
        'key new keys/release --kind ecdsa-p256 --passphrase-file passphrase',
      ],
      see: ['sign', 'serve'],
    },
    group('key', 'make the keys that releases and orders are signed with'),
  )
    .option('--kind <kind>', `one of ${keyKinds.join(', ')}`, 'ed25519')
    .option('--passphrase-file <file>', 'encrypt the private key with the first line of this file')
    .action(
      act<{ kind: string; passphraseFile?: string }>(async (context, [path = ''], options) => {
        if (!(keyKinds as readonly string[]).includes(options.kind))
          throw new CliError('usage', `no kind ${JSON.stringify(options.kind)}`, {
            hint: `use one of ${keyKinds.join(', ')}`,
          })
        const passphrase = await readPassphrase(context, options.passphraseFile)
        const made = await makeKeyPair(context, resolve(path), options.kind as KeyKind, passphrase)
        return {
          json: made,
          text: `${made.kind} key ${made.keyId}\n  private ${made.privateFile} (keep it offline, never in git)\n  public  ${made.publicFile}`,
        }
      }),
    )
}

/** Writes `<path>.key` and `<path>.pub`. @throws CliError `file-exists` */
export async function makeKeyPair(
  context: Context,
  path: string,
  kind: KeyKind,
  passphrase: string | undefined,
) {
  const [privateFile, publicFile] = [`${path}.key`, `${path}.pub`]
  for (const file of [privateFile, publicFile]) await refuseToOverwrite(context, file)
  const pair = generateKeyPair(kind, passphrase)
  const { disk } = context.sys
  const folder = dirname(privateFile)
  await disk.mkdir(folder, { recursive: true })
  // A private key that a killed command left under a name that nobody would look for. Whoever makes the same pair now fails.
  await disk.removeUnfinished(folder, { of: [privateFile, publicFile].map((file) => basename(file)) })
  await disk.writeDurably(privateFile, pair.privateKey, { mode: 0o600 })
  await disk.writeDurably(publicFile, pair.publicKey)
  return { keyId: pair.keyId, kind: pair.kind, privateFile, publicFile }
}

/** The first line of a passphrase file, where one is named. */
export async function readPassphrase(
  context: Context,
  file: string | undefined,
): Promise<string | undefined> {
  return file === undefined ? undefined : (await readTextFile(context, file)).split('\n')[0]
}

async function refuseToOverwrite({ sys }: Context, file: string): Promise<void> {
  const there = await sys.disk.access(file).then(
    () => true,
    () => false,
  )
  if (there)
    throw new CliError('file-exists', 'a key is never overwritten', {
      where: file,
      hint: 'choose another path',
    })
}
