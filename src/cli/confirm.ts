import { CliError, type Context } from './context.ts'

export interface Plan {
  /** What would be done, a step a line. */
  readonly steps: readonly string[]
  /** `--yes` was given. */
  readonly yes: boolean | undefined
}

/** The option of every command that asks before it destroys or moves something. */
export const yesOption = ['--yes', 'do it without asking'] as const

/**
 * Shows what is about to be done, and returns when a person said yes, on the terminal or by `--yes`.
 * @throws CliError `confirmation-missing` where nobody can be asked, `declined`
 */
export async function confirm({ terminal, ask }: Context, { steps, yes }: Plan): Promise<void> {
  if (yes === true) return
  if (ask === undefined)
    throw new CliError('confirmation-missing', 'nothing was done: there is nobody to ask whether to go on', {
      findings: steps.map((message) => ({ code: 'planned', message })),
      hint: 'add --yes to do this',
    })
  for (const step of steps) terminal.note(`  ${step}`)
  const answer = await ask('Do this? [y/N] ')
  if (/^y(es)?$/i.test(answer.trim())) return
  throw new CliError('declined', 'nothing was done', { hint: 'answer y, or add --yes' })
}
