import { parseReference, printReference } from '../core/index.ts'
import { copyRelease } from '../oci/index.ts'
import type { Registrar } from './command.ts'
import { findLocalRelease } from './references.ts'
import { openSession } from './session.ts'

/** `ashlar push`: a release with all its evidence, from the local store to the server's registry. */
export function addPush({ command, act }: Registrar): void {
  command({
    usage: 'push <reference>',
    summary: 'copy a release and its evidence to the server’s registry',
    about:
      'Only what the registry lacks is sent, and the release is named last: a push that is cut can be run again. The tag goes with it; in the registry a tag is written once and never moved.',
    examples: ['push gateway:1.1.0'],
    see: ['login', 'rollout start'],
  }).action(
    act(async (context, [text = '']) => {
      const { repository, digest } = await findLocalRelease(context, text)
      const session = await openSession(context)
      const { tag } = parseReference(text)
      await copyRelease(repository, session.repository(repository.name), digest, {
        referrers: true,
        step: 'push blobs',
        progress: context.progress,
        signal: context.signal,
        ...(tag !== undefined && { tag }),
      })
      const reference = printReference({
        registry: new URL(session.login.url).host,
        repository: repository.name,
        digest,
      })
      return { json: { digest, reference }, text: `pushed ${reference}` }
    }),
  )
}
