import type { Command } from 'commander'
import { architectureOf } from '../core/index.ts'
import { createMachine } from '../machines/index.ts'
import { bundlesOf, readRelease } from '../oci/index.ts'
import { judgeRelease } from '../verify/index.ts'
import type { Registrar } from './command.ts'
import { CliError } from './context.ts'
import { findLocalRelease, requireDigest } from './references.ts'
import { requireRoot } from './root.ts'
import { mintEnrolment, parseLabels } from './token.ts'
import { readTrust } from './trust.ts'

interface Options {
  readonly release: string
  readonly trust: string
  readonly label: string[]
  readonly standalone?: true
}

/** `ashlar machine create`: a machine whose first release was judged here, since nothing on it could. */
export function addMachineCreate({ command, act }: Registrar, machine: Command): void {
  command(
    {
      usage: 'create <machine>',
      summary: 'make a machine with a first release, ready to enrol itself at the server',
      about:
        'Judges the release against the keys that --trust names, since a machine that runs nothing cannot; writes it into the first of the two slots; and gets an enrolment from the server that you are logged in at. The release is named by its digest.',
      examples: [
        'machine create node-1 --release gateway@sha256:… --trust examples/gateway --label role=gateway',
      ],
      see: ['inspect', 'machine start'],
    },
    machine,
  )
    .requiredOption('--release <reference>', 'name@digest of a release in the local store')
    .option('--trust <path>', 'a trust.json, or a definition’s folder', '.')
    .option('--label <key=value...>', 'labels of the node', [])
    .option('--standalone', 'the machine belongs to no server')
    .action(
      act<Options>(async (context, [name = ''], options) => {
        requireRoot(context)
        const labels = parseLabels(options.label)
        requireDigest(options.release)
        const { repository, digest } = await findLocalRelease(context, options.release)
        const release = await readRelease(repository, digest)
        const trust = await readTrust(context, options.trust)
        const verdict = judgeRelease({ release: digest, bundles: await bundlesOf(repository, digest), trust })
        if (verdict.is === 'refused')
          throw new CliError('release-refused', verdict.reason.message, {
            where: options.release,
            findings: verdict.findings,
            hint: `sign it: ashlar sign ${options.release} --key FILE`,
          })
        const made = await createMachine({
          sys: context.sys,
          folder: context.folders.machines,
          name,
          repository,
          release,
          architecture: architectureOf(process.arch),
          ...(options.standalone !== true && { enrolmentToken: await mintEnrolment(context, name, labels) }),
          progress: context.progress,
          signal: context.signal,
        })
        return {
          json: { name, address: made.address, release: digest },
          text: `made ${name} at ${made.address}; boot it with ashlar machine start ${name}`,
        }
      }),
    )
}
