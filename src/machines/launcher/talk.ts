import { join } from 'node:path'
import { jsonOf, type Reason } from '../../core/index.ts'
import { diskPath } from '../../disk/index.ts'
import type { Sys } from '../../sys/index.ts'
import { textOf } from '../machine-folder.ts'

export interface TalkHandlers {
  /** Checks the slot of an entry; undefined: it may be booted. */
  prepare(install: number): Promise<Reason | undefined>
  bootComplete(install: number): Promise<void>
}

/** Serves what the node writes into the folder where it talks to its launcher, until the signal aborts. */
export async function followTalk(
  sys: Sys,
  disk: string,
  until: AbortSignal,
  handlers: TalkHandlers,
): Promise<void> {
  const folder = join(disk, diskPath.talk)
  await sys.disk.mkdir(folder, { recursive: true })
  // What an earlier boot said is over.
  for (const path of [diskPath.prepare, diskPath.bootComplete])
    await sys.disk.rm(join(disk, path), { force: true })
  try {
    for await (const { filename } of sys.disk.watch(folder, { signal: until })) {
      if (`${diskPath.talk}/${filename}` === diskPath.prepare) await answer(sys, disk, handlers)
      if (`${diskPath.talk}/${filename}` === diskPath.bootComplete) {
        const said = await read(sys, join(disk, diskPath.bootComplete))
        if (typeof said.install === 'number') await handlers.bootComplete(said.install)
      }
    }
  } catch (error) {
    if (!until.aborted) throw error
  }
}

async function answer(sys: Sys, disk: string, handlers: TalkHandlers): Promise<void> {
  const { question, install } = await read(sys, join(disk, diskPath.prepare))
  if (typeof question !== 'string' || typeof install !== 'number') return
  const reason = await handlers.prepare(install)
  const said = reason === undefined ? { question, is: 'prepared' } : { question, is: 'refused', reason }
  await sys.disk.writeDurably(join(disk, diskPath.prepared), JSON.stringify(said))
}

/** What the node says is not believed further than its form: it can only ask for a check, or say that it is up. */
async function read(
  sys: Sys,
  path: string,
): Promise<{ readonly question?: unknown; readonly install?: unknown }> {
  const value = jsonOf((await textOf(sys, path)) ?? '')
  return typeof value === 'object' && value !== null ? value : {}
}
