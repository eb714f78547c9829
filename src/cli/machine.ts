import type { Command } from 'commander'
import { asOneStep } from '../core/index.ts'
import {
  consoleText,
  damagedMachines,
  defaultNetwork,
  ensureBridge,
  gatewayOf,
  insideMachine,
  listMachines,
  type MachineStatus,
  removeMachine,
  startMachine,
  stopMachine,
} from '../machines/index.ts'
import type { Registrar } from './command.ts'
import { confirm, yesOption } from './confirm.ts'
import type { Context, Result } from './context.ts'
import { addMachineCreate } from './machine-create.ts'
import { requireRoot } from './root.ts'
import { table } from './table.ts'

/** `ashlar machine …`: nodes on this host. */
export function addMachine(registrar: Registrar): void {
  const machine = registrar.group('machine', 'nodes on this host, booted by systemd-nspawn')
  addMachineCreate(registrar, machine)
  addNetwork(registrar, machine)
  addStart(registrar, machine)
  addStop(registrar, machine)
  addRemove(registrar, machine)
  addConsole(registrar, machine)
  addList(registrar, machine)
}

const at = ({ sys, folders }: Context, name: string | undefined) => ({
  sys,
  folder: folders.machines,
  name: name ?? '',
})

function addNetwork({ command, act }: Registrar, machine: Command): void {
  command(
    {
      usage: 'network',
      summary: 'make the bridge that machines hang on, and print this host’s address there',
      about:
        'Machines hang on one bridge, ashlar0. A server that they are to reach listens on this host’s address there. It is made when the first machine needs it too; this is for who starts the server first.',
      examples: ['machine network'],
      see: ['serve', 'machine create'],
    },
    machine,
  ).action(
    act(async (context) => {
      requireRoot(context)
      const gateway = gatewayOf(defaultNetwork)
      await ensureBridge(context.sys, { bridge: defaultNetwork.bridge, gateway })
      return {
        json: { bridge: defaultNetwork.bridge, gateway },
        text: `${defaultNetwork.bridge}: this host is ${gateway}; let a server listen there`,
      }
    }),
  )
}

function addStart({ command, act }: Registrar, machine: Command): void {
  command(
    {
      usage: 'start <machine>',
      summary: 'boot a machine',
      about:
        'The launcher checks the slot’s image against its release, as firmware would, and boots it. It outlives this command; a machine that reboots itself comes up again by itself.',
      examples: ['machine start node-1'],
      see: ['machine console', 'get'],
    },
    machine,
  ).action(
    act(async (context, [name]) => {
      requireRoot(context)
      const state = await asOneStep(context.progress, `start ${name}`, () =>
        startMachine({ ...at(context, name), node: process.execPath, signal: context.signal }),
      )
      return { json: state, text: `${name} boots from slot ${state.running?.slot ?? '?'}` }
    }),
  )
}

function addStop({ command, act }: Registrar, machine: Command): void {
  command(
    {
      usage: 'stop <machine>',
      summary: 'power a machine off',
      about: 'What the machine keeps in /var stays; ashlar machine start boots it again.',
      examples: ['machine stop node-1'],
      see: ['machine start', 'machine rm'],
    },
    machine,
  ).action(
    act(async (context, [name]) => {
      requireRoot(context)
      await asOneStep(context.progress, `power off ${name}`, () => stopMachine(at(context, name)))
      return { json: { name, running: false }, text: `${name} is off` }
    }),
  )
}

function addRemove({ command, act }: Registrar, machine: Command): void {
  command(
    {
      usage: 'rm <machine>',
      summary: 'stop a machine and delete all that it holds, its /var included',
      about:
        'Shows what would go, and asks on a terminal; --yes answers for scripts. The server still knows the node afterwards.',
      examples: ['machine rm node-1', 'machine rm node-1 --yes'],
      see: ['machine stop', 'machine list'],
    },
    machine,
  )
    .option(...yesOption)
    .action(
      act<{ yes?: true }>(async (context, [name], { yes }) => {
        requireRoot(context)
        const found = (await listMachines(at(context, name))).find((status) => status.machine.name === name)
        const isDamaged = (await damagedMachines(at(context, name))).includes(name ?? '')
        if (found === undefined && !isDamaged)
          return { json: { name, removed: false }, text: `there is no machine ${name}` }
        const plan = [
          ...(found?.running ? [`power off ${name}`] : []),
          `delete both slots and /var of ${name}`,
          ...(found === undefined ? [] : [`free ${found.machine.address}`]),
        ]
        await confirm(context, { steps: plan, yes })
        await asOneStep(context.progress, `remove ${name}`, () => removeMachine(at(context, name)))
        return { json: { name, removed: true, plan }, text: `removed ${name}` }
      }),
    )
}

function addConsole({ command, act }: Registrar, machine: Command): void {
  command(
    {
      usage: 'console <machine> [command...]',
      summary: 'run a command inside a machine (default: a shell), or print its console with --log',
      about:
        'Runs inside the machine, in all of its namespaces, as root. A machine that does not boot has no inside: --log shows what it wrote until then. What is changed by hand does not last: /usr and /etc are read-only, and /var belongs to the node.',
      examples: ['machine console node-1 -- systemctl status nginx', 'machine console node-1 --log'],
      see: ['why'],
    },
    machine,
  )
    .option('--log', 'print what the machine wrote to its console')
    .option('--capture', 'print the command’s output as part of the result; implied by --json')
    .action(
      act<{ log?: true; json?: true; capture?: true }>(async (context, [name, ...words], options) => {
        if (options.log) {
          const log = await consoleText(at(context, name))
          return { json: { name, log }, text: log.trimEnd() }
        }
        requireRoot(context)
        const [program = '', ...args] = await insideMachine(
          at(context, name),
          words.length === 0 ? ['/bin/bash', '--login'] : words,
        )
        return options.json || options.capture
          ? capture(context, program, args)
          : attach(context, program, args)
      }),
    )
}

async function attach({ sys }: Context, program: string, args: readonly string[]): Promise<Result> {
  const child = await sys.exec.spawn(program, args, { output: 'inherit', stdin: 'inherit' })
  const { exitCode } = await child.exited
  return { json: { exitCode }, text: '', exitCode }
}

async function capture({ sys, signal }: Context, program: string, args: readonly string[]): Promise<Result> {
  const { exitCode, stdout, stderr } = await sys.exec.run(program, args, { signal })
  const output = `${Buffer.from(stdout).toString('utf8')}${stderr}`
  return { json: { exitCode, output }, text: output.trimEnd(), exitCode }
}

function addList({ command, act }: Registrar, machine: Command): void {
  command(
    {
      usage: 'list',
      summary: 'list the machines of this host',
      about: 'State, address, and slot and release that run.',
      examples: ['machine list'],
      see: ['get'],
    },
    machine,
  ).action(
    act(async ({ sys, folders, terminal }) => {
      const machines = await listMachines({ sys, folder: folders.machines })
      const damaged = await damagedMachines({ sys, folder: folders.machines })
      const rows = [...machines.map(rowOf), ...damaged.map((name) => [name, 'damaged', '-', '-', '-'])]
      return {
        json: [
          ...machines.map(summaryOf),
          ...damaged.map((name) => ({ name, running: false, damaged: true })),
        ],
        text: table(['name', 'state', 'address', 'slot', 'release'], rows, terminal.columns),
      }
    }),
  )
}

function summaryOf({ machine, state, running }: MachineStatus) {
  return { name: machine.name, running, address: machine.address, ...(state !== undefined && { state }) }
}

function rowOf({ machine, state, running }: MachineStatus): string[] {
  return [
    machine.name,
    running ? (state?.phase ?? 'starting') : 'off',
    machine.address,
    state?.running?.slot ?? '-',
    state?.running?.release.slice(7, 19) ?? '-',
  ]
}
