import { predicateType, type Statement, statementAbout } from '../core/index.ts'
import { attachBundle, readRelease } from '../oci/index.ts'
import { loadPrivateKey, type PrivateKey, signStatement } from '../sign/index.ts'
import { provenanceOf } from './build-record.ts'
import type { Registrar } from './command.ts'
import type { Context } from './context.ts'
import { readTextFile } from './files.ts'
import { readPassphrase } from './key.ts'
import { findLocalRelease } from './references.ts'

/** `ashlar sign`: says with a release key that this digest is a release, and, where it was built here, of which commit. */
export function addSign({ command, act }: Registrar): void {
  command({
    usage: 'sign <reference>',
    summary: 'sign a release of the local store with one or more release keys',
    about:
      'Attaches one statement for each key, that this digest is a release of its image, and where it was built here also its provenance: lock and commit. Nothing about the release changes. Where the trust root asks for several keys, several people can sign one after another, each with a key of their own.',
    examples: ['sign gateway:1.1.0 --key keys/release.key'],
    see: ['key new', 'verify', 'push'],
  })
    .requiredOption('--key <file...>', 'private release keys')
    .option('--passphrase-file <file>', 'its first line opens the private keys')
    .action(
      act<{ key: string[]; passphraseFile?: string }>(async (context, [text = ''], options) => {
        const { repository, digest, reference } = await findLocalRelease(context, text)
        const { document } = await readRelease(repository, digest)
        const keys = await readKeys(context, options.key, options.passphraseFile)
        const provenance = await provenanceOf(context, digest)
        const statements: readonly Statement[] = [
          statementAbout(digest, document.name, predicateType.signature, {}),
          ...(provenance === undefined ? [] : [provenance]),
        ]
        const bundles = []
        for (const statement of statements)
          for (const bundle of await signStatement(statement, keys))
            bundles.push(await attachBundle(repository, digest, bundle, statement.predicateType))
        const summary = {
          digest,
          reference,
          keyIds: keys.map((key) => key.keyId),
          statements: statements.map((statement) => statement.predicateType),
          bundles,
        }
        const said = summary.statements.map((type) => `  ${type}`).join('\n')
        return {
          json: summary,
          text: `signed ${reference} with ${keys.length} key${keys.length === 1 ? '' : 's'}:\n${said}`,
        }
      }),
    )
}

async function readKeys(
  context: Context,
  files: readonly string[],
  passphraseFile?: string,
): Promise<PrivateKey[]> {
  const passphrase = await readPassphrase(context, passphraseFile)
  return Promise.all(
    files.map(async (file) => loadPrivateKey(await readTextFile(context, file), passphrase, file)),
  )
}
