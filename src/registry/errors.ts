import { AshlarError, type ErrorDetail } from '../core/index.ts'

/** What goes wrong in a request, and how it stands on the wire: distribution-spec, "Error Codes". */
const wire = {
  'not-authenticated': [401, 'UNAUTHORIZED'],
  'not-allowed': [403, 'DENIED'],
  'route-unknown': [404, 'UNSUPPORTED'],
  'method-not-allowed': [405, 'UNSUPPORTED'],
  'name-invalid': [400, 'NAME_INVALID'],
  'name-unknown': [404, 'NAME_UNKNOWN'],
  'digest-invalid': [400, 'DIGEST_INVALID'],
  'size-invalid': [413, 'SIZE_INVALID'],
  'blob-unknown': [404, 'BLOB_UNKNOWN'],
  'range-invalid': [416, 'BLOB_UPLOAD_INVALID'],
  'upload-unknown': [404, 'BLOB_UPLOAD_UNKNOWN'],
  'upload-busy': [409, 'BLOB_UPLOAD_INVALID'],
  'too-many-uploads': [429, 'TOOMANYREQUESTS'],
  'manifest-unknown': [404, 'MANIFEST_UNKNOWN'],
  'manifest-invalid': [400, 'MANIFEST_INVALID'],
  'manifest-blob-unknown': [404, 'MANIFEST_BLOB_UNKNOWN'],
  'manifest-held': [409, 'DENIED'],
  // No code of the specification says it; clients print an unlisted code as "unknown", and DENIED as "denied: <message>".
  'tag-immutable': [409, 'DENIED'],
  'disk-full': [507, 'UNSUPPORTED'],
  internal: [500, 'UNKNOWN'],
} as const satisfies Record<string, readonly [number, string]>

export type RegistryErrorCode = keyof typeof wire

/** A request that is refused. `headers` go with the answer. */
export class RegistryError extends AshlarError<RegistryErrorCode> {
  readonly headers: Readonly<Record<string, string>>

  constructor(
    code: RegistryErrorCode,
    message: string,
    detail: ErrorDetail & { readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(code, message, detail)
    this.headers = detail.headers ?? {}
  }
}

/** The one place where an error becomes an answer. What nobody foresaw tells the client nothing about the inside. */
export function toHttp(error: unknown): {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
} {
  const known = asRegistryError(error)
  const [status, code] = wire[known.code]
  const detail = { reason: known.code, ...(known.hint !== undefined && { hint: known.hint }) }
  return {
    status,
    headers: known.headers,
    body: JSON.stringify({ errors: [{ code, message: known.message, detail }] }),
  }
}

/** Whether the registry is to blame, rather than the request or a client that went away. */
export function isOwnFault(error: unknown): boolean {
  const gone = ['ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EPIPE']
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return asRegistryError(error).code === 'internal' && !gone.includes(code)
}

function asRegistryError(error: unknown): RegistryError {
  if (error instanceof RegistryError) return error
  const code = error instanceof AshlarError ? fromStore[error.code] : undefined
  return code === undefined || !(error instanceof AshlarError)
    ? new RegistryError('internal', 'the registry failed')
    : new RegistryError(code, error.message, { hint: error.hint })
}

/** Errors of the content store and of the parsers. */
const fromStore: Readonly<Record<string, RegistryErrorCode>> = {
  'digest-mismatch': 'digest-invalid',
  'size-mismatch': 'digest-invalid',
  'content-too-large': 'size-invalid',
  'manifest-invalid': 'manifest-invalid',
  'disk-full': 'disk-full',
}
