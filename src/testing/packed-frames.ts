import { constants, zstdCompressSync } from 'node:zlib'
import { frameBytes, printSeekTable } from '../disk/index.ts'

/** A blob as a build makes one for the disk form, at the fastest level: what tests measure is no compression. */
export function packFrames(content: Uint8Array): Buffer {
  const frames = Array.from({ length: Math.ceil(content.length / frameBytes) }, (_, index) => {
    const part = content.subarray(index * frameBytes, (index + 1) * frameBytes)
    const packed = zstdCompressSync(part, { params: { [constants.ZSTD_c_compressionLevel]: 1 } })
    return { packed, contentBytes: part.length }
  })
  const table = frames.map(({ packed, contentBytes }) => ({ packedBytes: packed.length, contentBytes }))
  return Buffer.concat([...frames.map(({ packed }) => packed), printSeekTable(table)])
}
