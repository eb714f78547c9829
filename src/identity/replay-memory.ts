import { limits } from './limits.ts'

/** Remembers each credential until it has expired, so that it serves once. Lost at a restart: then each lives on for its minute. */
export interface ReplayMemory {
  /** Notes a credential; false when it was seen before, or when its node has used up its share. */
  claim(credential: {
    readonly node: string
    readonly id: string
    readonly expiresAtMs: number
    readonly now: number
  }): boolean
}

export function createReplayMemory(): ReplayMemory {
  /** By node: the expiry of each credential, oldest first. */
  const seen = new Map<string, Map<string, number>>()
  return {
    claim: ({ node, id, expiresAtMs, now }) => {
      const own = seen.get(node) ?? new Map<string, number>()
      seen.set(node, own)
      for (const [old, until] of own) if (until < now) own.delete(old)
      if (own.has(id) || own.size >= limits.credentialsPerNodeMax) return false
      own.set(id, expiresAtMs)
      return true
    },
  }
}
