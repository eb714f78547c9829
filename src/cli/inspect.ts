import { architectures } from '../core/index.ts'
import { readRelease } from '../oci/index.ts'
import type { Registrar } from './command.ts'
import { findLocalRelease } from './references.ts'

/** `ashlar inspect`: what a release of the local store is. */
export function addInspect({ command, act }: Registrar): void {
  command({
    usage: 'inspect <reference>',
    summary: 'print the digest, the document and the parts of a release of the local store',
    about:
      'A release is named by its digest, everywhere that matters; a tag is a label for people. --digest prints the digest alone, for the commands that want one.',
    examples: ['inspect gateway:1.1.0', 'inspect gateway:1.1.0 --digest'],
    see: ['verify', 'push'],
  })
    .option('--digest', 'print the digest alone')
    .action(
      act<{ digest?: true }>(async (context, [text = ''], options) => {
        const { repository, digest, reference } = await findLocalRelease(context, text)
        if (options.digest) return { json: { digest }, text: digest }
        const release = await readRelease(repository, digest)
        const { document } = release
        const disks = Object.fromEntries(
          architectures.flatMap((architecture) => {
            const disk = release.disk(architecture)
            return disk === undefined
              ? []
              : [
                  [
                    architecture,
                    {
                      root: disk.root.digest,
                      verity: disk.verity.digest,
                      boot: disk.boot.digest,
                      rootSizeBytes: disk.root.size,
                    },
                  ],
                ]
          }),
        )
        const referrers = await repository.referrers(digest)
        const lines = [
          `${document.name} ${document.version}  ${document.form}`,
          `  digest    ${digest}`,
          `  counter   ${document.counter}, floor ${document.floor}`,
          `  lock      ${document.lock}`,
          ...Object.entries(document.disks).map(
            ([architecture, disk]) =>
              `  ${architecture.padEnd(9)} root ${(disk.root.sizeBytes / 1e6).toFixed(0)} MB, root hash ${disk.roothash}, kernel ${disk.kernel}`,
          ),
          `  evidence  ${referrers.length} statement${referrers.length === 1 ? '' : 's'}`,
        ]
        return { json: { digest, reference, document, disks, referrers }, text: lines.join('\n') }
      }),
    )
}
