import { AshlarError, type Reason } from '../core/index.ts'

/** Something on the node itself is not as it must be. */
export class AgentError extends AshlarError<
  | 'credential-missing'
  | 'credential-malformed'
  | 'state-malformed'
  | 'disk-malformed'
  | 'server-refused'
  | 'reboot-refused'
  | 'ca-mismatch'
  | 'disk-full'
  | 'clock-far-off'
> {}

/** A judgement, thrown through the layers of a stream: the assignment ends with this reason. */
export class Refusal extends AshlarError {
  constructor(reason: Reason) {
    super(reason.code, reason.message)
  }

  get reason(): Reason {
    return { code: this.code, message: this.message }
  }
}

/** Passes when there is room: what was under way waits for that. */
export function diskFull(message: string, where: string, cause?: unknown): AgentError {
  return new AgentError('disk-full', message, {
    where,
    cause,
    hint: `make space on the node: df -h ${where}`,
  })
}
