import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { mediaType } from '../core/index.ts'
import { blockBytes, frameBytes, hashesOf, verityTree } from '../disk/index.ts'
import { collect, digestOf, OciError, openContentStore, type Repository, streamOf } from '../oci/index.ts'
import { realSys } from '../sys/index.ts'
import { packFrames } from '../testing/index.ts'
import { FolderSlots } from './folder-slots.ts'
import { isUpdateFault, type PlannedUpdate, planFromHeld, type Update } from './update.ts'

let work: string
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'ashlar-update-'))
  mkdirSync(join(work, 'disk/a'), { recursive: true })
})
afterEach(() => rmSync(work, { recursive: true }))

const framesOf = (count: number) => Buffer.from(realSys.random.bytes(count * frameBytes))
const held = framesOf(8)
const fresh = framesOf(1)
/** A first block of its own, then all that is held but one frame, shifted by it, and a frame that is new. */
const wanted = Buffer.concat([
  fresh.subarray(0, blockBytes),
  held.subarray(0, 3 * frameBytes),
  held.subarray(4 * frameBytes),
  fresh,
])

interface Offer {
  readonly image?: Buffer
  readonly packed?: Buffer
  /** Of what the document says. */
  readonly signed?: Buffer
  /** The connection is cut after so many bytes of all that is sent. */
  readonly cutAt?: number
}

/** A registry that offers the new image, and counts what it sends; slot a has what is held. */
async function offer({ image = wanted, packed = packFrames(image), signed = image, cutAt }: Offer = {}) {
  writeFileSync(join(work, 'disk/a/root.erofs'), held)
  const store = (await openContentStore(realSys, join(work, 'store'))).repository('gateway')
  const { tree } = verityTree(hashesOf(image), '8f2a6d1e-3b0c-4f57-9a68-61736c617202')
  const put = async (type: string, bytes: Buffer, content: Buffer) => {
    const blob = { mediaType: type, digest: digestOf(bytes), size: bytes.length }
    await store.blobs.write(blob.digest, blob.size, streamOf(bytes))
    return { blob, content: { digest: digestOf(content), sizeBytes: content.length } }
  }
  let sent = 0
  async function* readFrom(...args: Parameters<Repository['blobs']['readFrom']>) {
    for await (const chunk of store.blobs.readFrom(...args)) {
      const rest = chunk.subarray(0, (cutAt ?? Number.POSITIVE_INFINITY) - sent)
      sent += rest.length
      yield rest
      if (sent === cutAt) throw new OciError('registry-unreachable', 'cut')
    }
  }
  const update: Update = {
    ...{ sys: realSys, folder: join(work, 'incoming') },
    repository: { ...store, blobs: { ...store.blobs, readFrom } },
    slots: new FolderSlots(realSys, join(work, 'disk')),
    from: 'a',
    root: await put(mediaType.diskRoot, packed, signed),
    verity: await put(mediaType.diskVerity, packFrames(tree), tree),
    onBytes: () => undefined,
  }
  return { update, sent: () => sent }
}

async function imageOf(plan: PlannedUpdate | undefined): Promise<Buffer> {
  return Buffer.from(await collect(plan?.content() ?? streamOf(new Uint8Array()), 2 * wanted.length))
}

test('only what the running image has not is fetched', async () => {
  const { update, sent } = await offer()
  const plan = await planFromHeld(update)
  expect((await imageOf(plan)).equals(wanted)).toBe(true)
  // The frame that is new, the one with the first block, and the one that both shifts left over; the table comes on top.
  expect(plan?.bytes).toBeLessThan(3.1 * frameBytes)
  expect(sent()).toBeLessThan((plan?.bytes ?? 0) + 10_000)
})

describe('an update that was cut or killed', () => {
  const cutAt = frameBytes
  const kept = () => readdirSync(join(work, 'incoming')).map((name) => join(work, 'incoming', name))
  const cut = async () =>
    expect(await faultOf((await offer({ cutAt: (await tableAndTree()) + cutAt })).update)).toMatchObject({
      code: 'registry-unreachable',
    })
  /** Of what is sent, that which no plan can do without. */
  const tableAndTree = async () => {
    const { update, sent } = await offer()
    await planFromHeld(update)
    return sent()
  }

  test('goes on with what is still missing', async () => {
    await cut()
    expect(kept().map((file) => statSync(file).size)).toEqual([cutAt])
    const { update, sent } = await offer()
    const plan = await planFromHeld(update)
    const planned = sent()
    expect((await imageOf(plan)).equals(wanted)).toBe(true)
    expect(sent() - planned).toBe((plan?.bytes ?? 0) - update.verity.blob.size)
    await plan?.forget()
    expect(kept()).toEqual([])
    expect((await planFromHeld(update))?.bytes).toBe((plan?.bytes ?? 0) + cutAt)
  })

  test('whose beginning was damaged meanwhile is refused, so that the whole is fetched', async () => {
    await cut()
    for (const file of kept()) writeFileSync(file, Buffer.alloc(cutAt))
    expect(isUpdateFault(await faultOf((await offer()).update))).toBe(true)
  })

  test('takes nothing from the beginning of another', async () => {
    await cut()
    const before = kept()
    const { update } = await offer({ image: Buffer.concat([wanted, fresh]) })
    expect((await imageOf(await planFromHeld(update))).equals(Buffer.concat([wanted, fresh]))).toBe(true)
    expect(kept()).not.toEqual(before)
  })
})

test('an image that shares nothing is fetched whole', async () => {
  expect(await planFromHeld((await offer({ image: framesOf(4) })).update)).toBeUndefined()
})

test('a blob without a table of its frames is fetched whole', async () => {
  const packed = packFrames(wanted)
  const { update } = await offer({ packed: packed.subarray(0, packed.length - 1) })
  expect(await planFromHeld(update)).toBeUndefined()
})

async function faultOf(update: Update): Promise<unknown> {
  const plan = await planFromHeld(update)
  expect(plan).toBeDefined()
  try {
    for await (const _ of plan?.content() ?? []);
    return undefined
  } catch (error) {
    return error
  }
}

test('a running image that is damaged never becomes part of the new one', async () => {
  const { update } = await offer()
  const { slots } = update
  const readRange: typeof slots.readRange = async (...args) => {
    const bytes = Buffer.from(await new FolderSlots(realSys, join(work, 'disk')).readRange(...args))
    bytes[7] = (bytes[7] ?? 0) ^ 1
    return bytes
  }
  const damaged = { ...update, slots: Object.assign(slots, { readRange }) }
  expect(isUpdateFault(await faultOf(damaged))).toBe(true)
})

test('frames that are not those of the signed image never become part of it', async () => {
  const other = Buffer.concat([framesOf(1).subarray(0, blockBytes), wanted.subarray(blockBytes)])
  const { update } = await offer({ packed: packFrames(other), signed: wanted })
  expect(isUpdateFault(await faultOf(update))).toBe(true)
})

test('a hash tree that is not the signed one is not planned with', async () => {
  const { update } = await offer()
  const content = { ...update.verity.content, digest: digestOf('another tree') }
  const failing = planFromHeld({ ...update, verity: { ...update.verity, content } })
  await expect(failing).rejects.toSatisfy(isUpdateFault)
})

test('a cut connection or a full disk is no fault of what is held, a disk that cannot be read is', () => {
  const cut = Object.assign(new Error('cut'), { code: 'registry-unreachable' })
  expect(isUpdateFault(cut)).toBe(false)
  expect(isUpdateFault(Object.assign(new Error('full'), { syscall: 'write', code: 'ENOSPC' }))).toBe(false)
  expect(isUpdateFault(Object.assign(new Error('bad block'), { syscall: 'read', code: 'EIO' }))).toBe(true)
})
