/** Names the versions of the API that whoever sends it speaks: `<oldest>-<newest>`. Without it: 1-1. */
export const apiVersionField = 'ashlar-api'

export interface ApiVersions {
  readonly oldest: number
  readonly newest: number
}

/**
 * What this Ashlar speaks. `newest` grows with a change that the other side must know of to be right; a field that may
 * be passed over is none. `oldest` grows when an old form is no longer understood.
 */
export const apiVersions: ApiVersions = { oldest: 1, newest: 1 }

export function printApiVersions({ oldest, newest }: ApiVersions): string {
  return `${oldest}-${newest}`
}

/** A field that is not there, or is none of ours, is that of the first version, which sent none. */
export function parseApiVersions(text: string | undefined): ApiVersions {
  const [, oldest, newest] = /^(\d{1,4})-(\d{1,4})$/.exec(text ?? '') ?? []
  return oldest === undefined ? { oldest: 1, newest: 1 } : { oldest: Number(oldest), newest: Number(newest) }
}

/** Which of two cannot understand the other, if any. */
export function olderOf(
  client: ApiVersions,
  server: ApiVersions,
): 'client-too-old' | 'server-too-old' | undefined {
  if (client.newest < server.oldest) return 'client-too-old'
  return server.newest < client.oldest ? 'server-too-old' : undefined
}

export const tooOld = {
  'client-too-old': {
    message: 'the server no longer understands this Ashlar',
    hint: 'install the version that the server runs; of a node: a release that was built with it',
  },
  'server-too-old': {
    message: 'the server does not understand this Ashlar yet',
    hint: 'bring the server up to this version first: its database is taken along',
  },
} as const
