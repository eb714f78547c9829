import { openContentStore } from '../oci/index.ts'
import type { Registrar } from './command.ts'
import { treeOf } from './command-tree.ts'
import { bashCompletion } from './completion-bash.ts'
import { fishCompletion } from './completion-fish.ts'
import { zshCompletion } from './completion-zsh.ts'
import { CliError, type Context } from './context.ts'
import type { ValueSource } from './values.ts'

const scripts = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion }
export const shells = Object.keys(scripts) as (keyof typeof scripts)[]

/** `ashlar completion`: what a shell completes commands with. */
export function addCompletion({ command, act }: Registrar): void {
  command({
    usage: 'completion <shell>',
    summary: 'print what makes a shell complete the words of ashlar',
    about:
      'Commands and options stand in the script itself, so that the shell need not ask; releases of the local store and machines are looked up when they are completed. Read it in the start file of the shell, or put it where the shell looks for completions.',
    examples: [
      'completion bash > /etc/bash_completion.d/ashlar',
      'completion zsh > ~/.zfunc/_ashlar',
      'completion fish > ~/.config/fish/completions/ashlar.fish',
    ],
    see: ['doctor'],
  }).action(
    act(async (context, [shell = '']) => {
      if (isSource(shell)) {
        const values = await valuesOf(context, shell)
        return { json: values, text: values.join('\n') }
      }
      const script = scripts[shell as keyof typeof scripts]
      if (script === undefined)
        throw new CliError('usage', `no completion for ${JSON.stringify(shell)}`, {
          hint: `use one of ${shells.join(', ')}`,
        })
      const text = script(await wholeTree(context))
      return { json: { shell, script: text }, text }
    }),
  )
}

async function wholeTree(context: Context) {
  // Not at the top: the program reads this file.
  const { createProgram } = await import('./program.ts')
  return treeOf(await createProgram(context, () => undefined))
}

/** What the scripts ask for by `ashlar completion images`. */
const asked = ['images', 'machines'] as const satisfies readonly ValueSource[]

function isSource(text: string): text is (typeof asked)[number] {
  return (asked as readonly string[]).includes(text)
}

/** Looks on this host alone, and makes nothing: a shell asks at each press of a key. */
async function valuesOf(context: Context, source: (typeof asked)[number]): Promise<readonly string[]> {
  const { sys, folders } = context
  if (source === 'machines') return namesIn(context, folders.machines)
  if ((await namesIn(context, folders.store)).length === 0) return []
  const store = await openContentStore(sys, folders.store)
  const found = await Promise.all(
    (await store.repositories()).map(async (name) =>
      (await store.repository(name).tags()).map((tag) => `${name}:${tag}`),
    ),
  )
  return found.flat()
}

async function namesIn({ sys }: Context, folder: string): Promise<readonly string[]> {
  const names = await sys.disk.readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'EACCES') return []
    throw error
  })
  return names.filter((name) => !name.startsWith('.')).toSorted()
}
