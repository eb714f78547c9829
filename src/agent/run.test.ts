import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AssignmentAnswer, NodeStatus, Order } from '../api/index.ts'
import type { Reason } from '../core/index.ts'
import { diskPath, launcherReasons, readDiskFolder } from '../disk/index.ts'
import { createNodeKey } from '../identity/index.ts'
import { realSys, type Sys } from '../sys/index.ts'
import { type NodeFixture, nodeFixture } from '../testing/index.ts'
import { confirmBoot } from './boot-judge.ts'
import { AgentError } from './errors.ts'
import type { Node } from './node.ts'
import { Runner } from './run.ts'

let at: NodeFixture
beforeAll(async () => {
  at = await nodeFixture()
})
afterAll(() => at.remove())

const why: Reason = { code: 'health-check-failed', message: 'web does not answer' }
const identity = { node: 'node-1', server: 'http://localhost', enrolled: true, ...createNodeKey() }

/** Thrown where the agent would go on for ever. */
class End extends Error {}

/** A world whose clock moves only when somebody sleeps, and ends when the agent waits for its machine to go down. */
function world(rebootExitCode = 0) {
  const ran: string[] = []
  let nowMs = 0
  const sys: Sys = {
    ...realSys,
    random: { bytes: (count) => new Uint8Array(count) },
    clock: {
      now: () => 1_800_000_000_000 + nowMs,
      monotonicMs: () => nowMs,
      sleep: async (ms) => {
        if (ran.includes('systemctl reboot')) throw new End()
        nowMs += ms
      },
    },
    exec: {
      ...realSys.exec,
      run: async (program, args) => {
        ran.push([program, ...args].join(' '))
        return { exitCode: rebootExitCode, stdout: new Uint8Array(), stderr: '' }
      },
    },
  }
  return { sys, ran, pass: (ms: number) => (nowMs += ms) }
}

/** Runs the agent against a server that gives these answers, one a question, and then ends the test. */
async function run(node: Node, answers: (() => AssignmentAnswer | undefined)[] = []) {
  const asked: Order[] = []
  const reports: NodeStatus[] = []
  const ended = Runner.start(node, identity, {
    async assignment(above) {
      asked.push(above)
      const answer = answers.shift()
      if (answer === undefined) throw new End()
      return answer()
    },
    async report(status) {
      reports.push(status)
    },
    repository: () => at.repository,
  })
  await expect(ended).rejects.toThrow()
  const error: unknown = await ended.catch((reason: unknown) => reason)
  return { asked, reports, error }
}

async function bad(sys: Sys, nothingElse = false): Promise<Node> {
  await at.fresh()
  await at.tryInB(at.second)
  const node = at.node(sys, 'b', at.second)
  await node.slots.markBad(2, why)
  if (nothingElse) await node.slots.clear('a')
  const assignment = at.order(at.second)
  const work = { assignment, begun: true, tried: { slot: 'b', install: 2 } } as const
  await node.memory.write({ revision: 0, order: assignment.order, seenAt: 0, work })
  return node
}

describe('a bad release that runs, since whoever marked it was killed before the reboot', () => {
  test('is left, and its order ends when the good one runs', async () => {
    const { sys, ran } = world()
    const node = await bad(sys)
    expect((await run(node)).error).toBeInstanceOf(End)
    expect(ran).toEqual(['systemctl reboot'])
    expect((await node.memory.read()).work).toBeDefined()
    const after = await run(at.node(world().sys, 'a', at.first))
    expect(after.reports.at(-1)?.outcome).toMatchObject({ is: 'went-back', reason: why })
  })

  test('ends the agent when the reboot is refused: it is started again, and asks again', async () => {
    const { sys } = world(1)
    const { error } = await run(await bad(sys))
    expect(error).toBeInstanceOf(AgentError)
    expect(error).toMatchObject({ code: 'reboot-refused' })
  })

  test('stays where nothing else is there, and its order has failed', async () => {
    const { sys, ran } = world()
    const { reports } = await run(await bad(sys, true))
    expect(ran).toEqual([])
    expect(reports.at(-1)?.outcome).toMatchObject({ is: 'failed', reason: why })
  })
})

test('an order for what runs is confirmed only when what was staged beside it is gone', async () => {
  const { sys } = world()
  await at.fresh()
  await at.tryInB(at.second)
  const node = at.node(sys, 'a', at.first)
  const assignment = at.order(at.first, 2)
  const work = { assignment, begun: false }
  await node.memory.write({ revision: 0, order: assignment.order, seenAt: 0, work })
  const { reports } = await run(node, [() => undefined])
  const confirmed = reports.find(({ outcome }) => outcome?.is === 'confirmed')
  expect(confirmed).toMatchObject({ outcome: { order: { number: 2 } }, slots: { b: { is: 'empty' } } })
  expect((await readDiskFolder(realSys.disk, at.paths.disk)).held).toEqual({ a: at.first.digest })
})

test('a slot whose files cannot be read does not end the agent', async () => {
  await at.fresh()
  for (const path of [
    'b/release/index.json',
    'b/release/document.json.gz',
    diskPath.entry('9-000000000000.efi'),
  ])
    mkdirSync(join(at.paths.disk, path), { recursive: true })
  const node = at.node(world().sys, 'a', at.first)
  await confirmBoot(node)
  expect((await run(node)).error).toBeInstanceOf(End)
})

describe('what the launcher would not run', () => {
  const beside = async (code: string): Promise<Node> => {
    await at.fresh()
    await at.tryInB(at.second)
    const node = at.node(world().sys, 'a', at.first)
    await node.slots.markBad(2, { code, message: 'slot b is not run' })
    return node
  }

  const files = Object.values(diskPath.releaseFile)
  const rows = launcherReasons.map((code, row) => [code, files[row % files.length] ?? ''] as const)
  test.each(rows)(
    'is reported as a warning, and its files stay until then: %s, without %s',
    async (code, file) => {
      const node = await beside(code)
      rmSync(join(at.paths.disk, diskPath.release('b'), file))
      await confirmBoot(node)
      const { reports } = await run(node)
      expect(reports.at(-1)?.warnings).toMatchObject([{ code }])
    },
  )

  test('is reported also where its index is another', async () => {
    const node = await beside('release-files-damaged')
    await realSys.disk.writeFile(join(at.paths.disk, diskPath.release('b'), diskPath.releaseFile.index), 'x')
    await confirmBoot(node)
    const { reports } = await run(node)
    expect(reports.at(-1)?.warnings).toMatchObject([{ code: 'release-files-damaged' }])
  })

  test('is reported by that alone: a release that failed by itself is no fault of the machine', async () => {
    const { reports } = await run(await beside('health-check-failed'))
    expect(reports.at(-1)?.warnings).toEqual([])
  })
})

test('a number that nobody signed keeps later orders away for a while, not for ever', async () => {
  const { sys, pass } = world()
  await at.fresh()
  const node = at.node(sys, 'a', at.first)
  const order = { epoch: 9, number: 9_999_999 }
  const lie = { order, envelope: { payloadType: 'x', payload: '', signatures: [{ sig: '' }] } }
  const { asked } = await run(node, [() => lie, () => void pass(59_000), () => void pass(1_000)])
  expect(asked).toEqual([{ epoch: 0, number: 0 }, order, order, { epoch: 0, number: 0 }])
})

describe('a journal', () => {
  const places = () =>
    [at.paths.state, join(at.paths.disk, diskPath.kept)].map((path) => join(path, 'state.json'))
  const order = { epoch: 3, number: 7 }
  const lose = async (count: number, text: string) => {
    await at.fresh()
    const node = at.node(world().sys, 'a', at.first)
    await node.memory.write({ revision: 0, order, seenAt: 5 })
    await node.memory.raiseFloor(9)
    for (const path of places().slice(0, count)) writeFileSync(path, text)
    return node
  }

  test.each([
    ['of which one copy was cut short', 1, '{"revision":2,"ord', { asked: order, code: 'journal-damaged' }],
    ['of which one copy is garbage', 1, '\u0000\u0001', { asked: order, code: 'journal-damaged' }],
    ['of which both copies are garbage', 2, 'x', { asked: { epoch: 0, number: 0 }, code: 'journal-lost' }],
  ])('%s: the node goes on with what is left, and says so', async (_, count, text, expected) => {
    const node = await lose(count, text)
    const { asked, reports, error } = await run(node)
    expect(error).toBeInstanceOf(End)
    expect(asked).toEqual([expected.asked])
    expect(reports.at(-1)).toMatchObject({ floor: 9, warnings: Array(count).fill({ code: expected.code }) })
    // Whole again, and what was damaged is kept to be looked at.
    expect(await node.memory.faults()).toEqual([])
    for (const path of places())
      expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ order: expected.asked })
    expect(readFileSync(`${places()[0]}.damaged`, 'utf8')).toBe(text)
    expect((await run(node)).reports.at(-1)?.warnings).toEqual([])
  })
})
