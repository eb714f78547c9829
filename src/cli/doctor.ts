import { resolve } from 'node:path'
import { BuildError, readDefinition } from '../build/index.ts'
import type { Definition } from '../core/index.ts'
import { painter } from './colour.ts'
import type { Registrar } from './command.ts'
import { CliError, type Context, type Result } from './context.ts'
import { type Check, foundWanting, probes } from './doctor-probes.ts'
import { harmless } from './harmless.ts'
import { padEnd } from './text-width.ts'

/** `ashlar doctor`: what is missing on this host for which command. */
export function addDoctor({ command, act }: Registrar): void {
  command({
    usage: 'doctor [task...]',
    summary: 'look for what is missing on this host for which command, and say what mends it',
    about:
      'Each look is a real one: programs are run, namespaces and mounts are made and go away again, mirrors and server are asked, and given up after some seconds. Name commands to look only for what these need. What only root can try cannot be told by others, and counts as missing. Where a definition lies in this folder, its mirrors are asked, and what builds a Containerfile is looked for if it is made from one.',
    examples: ['doctor', 'doctor lock build'],
    see: ['fsck', 'login'],
    exits: { 1: 'something is missing' },
  }).action(
    act(async (context, commands) => {
      const definition = await definitionIn(context, resolve('.'))
      const wanted = probesFor(commands, definition?.spec.from !== undefined)
      const step = { step: 'look around', total: wanted.length, unit: 'items' } as const
      let done = 0
      const checks = await Promise.all(
        wanted.map(async ({ name, commands, look }) => {
          const found = await look(context, definition).catch(foundWanting)
          context.progress({ ...step, done: ++done })
          return { name, commands, ...found }
        }),
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
async function definitionIn({ sys }: Context, folder: string): Promise<Definition | undefined> {
  try {
    return (await readDefinition(sys, folder)).definition
  } catch (error) {
    if (error instanceof BuildError) return undefined
    throw error
  }
}

const marks = { good: '✓', missing: '✗', unknown: '?' }
const colours = { good: 'green', missing: 'red', unknown: 'yellow' } as const

function told({ terminal }: Context, checks: readonly Check[]): Result {
  const paint = painter(terminal.colour)
  const width = Math.max(...checks.map(({ name }) => name.length))
  const lines = checks.flatMap(({ name, is, found, hint, commands }) => [
    `${paint(colours[is], marks[is])} ${padEnd(name, width)}  ${harmless(found)}`,
    ...(is === 'good' ? [] : [`${' '.repeat(width + 4)}for  ${commands.join(', ')}`]),
    ...(hint === undefined ? [] : [`${' '.repeat(width + 4)}${paint('cyan', 'mend')} ${harmless(hint)}`]),
  ])
  const bad = checks.filter(({ is }) => is !== 'good')
  const lame = [...new Set(bad.flatMap(({ commands }) => commands))]
  const end = bad.length === 0 ? 'nothing is missing' : `not ready: ${lame.join(', ')}`
  return {
    json: { good: bad.length === 0, notReady: lame, checks },
    text: [...lines, end].join('\n'),
    painted: true,
    exitCode: bad.length === 0 ? 0 : 1,
  }
}
