import { whenThere } from '../disk/index.ts'
import type { Sys } from '../sys/index.ts'

export function readText(sys: Sys, path: string): Promise<string | undefined> {
  return whenThere(sys.disk.readFile(path, 'utf8'))
}

/** The file from its first byte on, in pieces that hashing and writing take well. */
export async function* readFrom(
  sys: Sys,
  path: string,
  sizeBytes = Number.POSITIVE_INFINITY,
): AsyncGenerator<Uint8Array> {
  const file = await sys.disk.open(path, 'r')
  try {
    let left = sizeBytes
    while (left > 0) {
      const piece = Buffer.allocUnsafe(Math.min(left, pieceBytes))
      const { bytesRead } = await file.read(piece, 0, piece.length)
      if (bytesRead === 0) return
      left -= bytesRead
      yield piece.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

/** Read at once: large enough that hashing takes the time, small enough for a node of 64 MB. */
const pieceBytes = 256 * 1024
