import { shortDigest } from '../core/index.ts'
import { bundlesOf, readRelease } from '../oci/index.ts'
import { judgeRelease } from '../verify/index.ts'
import type { Registrar } from './command.ts'
import { findLocalRelease } from './references.ts'
import { readTrust } from './trust.ts'

/** `ashlar verify`: whether enough release keys signed this digest. Exit code 1 when not. */
export function addVerify({ command, act }: Registrar): void {
  command({
    usage: 'verify <reference>',
    summary: 'judge a release of the local store against trusted keys',
    about:
      'Judges as a node does: whether enough of the keys that --trust names have signed this digest. It asks nobody and writes nothing.',
    examples: ['verify gateway:1.1.0 --trust examples/gateway'],
    see: ['sign', 'why'],
    exits: { 1: 'too few of the trusted keys signed it' },
  })
    .option('--trust <path>', 'a trust.json, or a definition’s folder', '.')
    .action(
      act<{ trust: string }>(async (context, [text = ''], options) => {
        const { repository, digest, reference } = await findLocalRelease(context, text)
        const { document } = await readRelease(repository, digest)
        const verdict = judgeRelease({
          release: digest,
          bundles: await bundlesOf(repository, digest),
          trust: await readTrust(context, options.trust),
        })
        const name = `${document.name} ${document.version} (${shortDigest(digest)})`
        if (verdict.is === 'verified')
          return {
            json: { ok: true, digest, reference, signers: verdict.release.signers },
            text: `${name} is signed by ${verdict.release.signers.join(', ')}`,
          }
        const findings = verdict.findings.map(
          ({ code, message, where }) => `  - ${message} [${code}]${where === undefined ? '' : ` ${where}`}`,
        )
        const hint = `sign it with a key that is trusted: ashlar sign ${reference} --key FILE`
        return {
          json: { ok: false, digest, reference, reason: verdict.reason, findings: verdict.findings, hint },
          text: [`${name} is refused: ${verdict.reason.message}`, ...findings, `  mend ${hint}`].join('\n'),
          exitCode: 1,
        }
      }),
    )
}
