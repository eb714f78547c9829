import { resolve } from 'node:path'
import { BuildError, readDefinition } from '../build/index.ts'
import { painter } from './colour.ts'
import type { Registrar } from './command.ts'
import { CliError, type Context, type Result } from './context.ts'
import { type Check, foundWanting, probes } from './doctor-probes.ts'
import { padEnd } from './text-width.ts'

/** `ashlar doctor`: what is missing on this host for which command. */
export function addDoctor({ command, act }: Registrar): void {
  command({
    usage: 'doctor [task...]',
    summary: 'look for what is missing on this host for which command, and say what mends it',
    about:
      'Each look is a real one: programs are run, namespaces and mounts are made and go away again, the server is asked. Name commands to look only for what these need. What only root can try cannot be told by others, and counts as missing. Where the definition in this folder is made from a Containerfile, what builds that is looked for, too.',
    examples: ['doctor', 'doctor lock build'],
    see: ['fsck', 'login'],
    exits: { 1: 'something is missing' },
  }).action(
    act(async (context, commands) => {
      const wanted = probesFor(commands, await hasContainerfile(context, resolve('.')))
      const checks = await Promise.all(
        wanted.map(async ({ name, commands, look }) => ({
          name,
          commands,
          ...(await look(context).catch(foundWanting)),
        })),
      )
      return told(context, checks)
    }),
  )
}

/** @throws CliError `usage` */
function probesFor(commands: readonly string[], containerfile: boolean) {
  const known = [...new Set(probes.flatMap((probe) => probe.commands))]
  const stranger = commands.find((name) => !known.includes(name))
  if (stranger !== undefined)
    throw new CliError('usage', `${JSON.stringify(stranger)} needs nothing, or is no command`, {
      hint: `name some of ${known.join(', ')}`,
    })
  return probes.filter(
    (probe) =>
      (containerfile || probe.forContainerfile !== true) &&
      (commands.length === 0 || probe.commands.some((name) => commands.includes(name))),
  )
}

/** A definition that is not there, or cannot be read, is for `ashlar build` to tell. */
async function hasContainerfile({ sys }: Context, folder: string): Promise<boolean> {
  try {
    return (await readDefinition(sys, folder)).definition.spec.from !== undefined
  } catch (error) {
    if (error instanceof BuildError) return false
    throw error
  }
}

const marks = { good: '✓', missing: '✗', unknown: '?' }
const colours = { good: 'green', missing: 'red', unknown: 'yellow' } as const

function told({ terminal }: Context, checks: readonly Check[]): Result {
  const paint = painter(terminal.colour)
  const width = Math.max(...checks.map(({ name }) => name.length))
  const lines = checks.flatMap(({ name, is, found, hint, commands }) => [
    `${paint(colours[is], marks[is])} ${padEnd(name, width)}  ${found}`,
    ...(is === 'good' ? [] : [`${' '.repeat(width + 4)}for  ${commands.join(', ')}`]),
    ...(hint === undefined ? [] : [`${' '.repeat(width + 4)}${paint('cyan', 'mend')} ${hint}`]),
  ])
  const bad = checks.filter(({ is }) => is !== 'good')
  const lame = [...new Set(bad.flatMap(({ commands }) => commands))]
  const end = bad.length === 0 ? 'nothing is missing' : `not ready: ${lame.join(', ')}`
  return {
    json: { good: bad.length === 0, notReady: lame, checks },
    text: [...lines, end].join('\n'),
    exitCode: bad.length === 0 ? 0 : 1,
  }
}
