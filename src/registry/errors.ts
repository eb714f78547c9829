import { AshlarError, type ErrorDetail } from '../core/index.ts'

/**
 * What goes wrong in a request, and how it stands on the wire (distribution-spec, "Error Codes"), with what mends it where
 * the error itself does not say so better.
 */
const wire = {
  'not-authenticated': [401, 'UNAUTHORIZED', 'log in with a token as the password'],
  'not-allowed': [403, 'DENIED', 'ask an operator of this registry for the right'],
  'route-unknown': [404, 'UNSUPPORTED', 'this is an OCI registry: /v2/<name>/manifests/<tag>, for example'],
  'method-not-allowed': [405, 'UNSUPPORTED', 'use a method that the allow field names'],
  'name-invalid': [400, 'NAME_INVALID', 'use lower-case letters, digits and . _ - / between them'],
  'name-unknown': [404, 'NAME_UNKNOWN', 'is it spelled right? A push makes it'],
  'digest-invalid': [400, 'DIGEST_INVALID', 'send sha256: and the 64 hex digits of what is sent'],
  'size-invalid': [413, 'SIZE_INVALID', 'split it into several blobs'],
  'blob-unknown': [404, 'BLOB_UNKNOWN', 'push it to this repository first'],
  'range-invalid': [416, 'BLOB_UPLOAD_INVALID', 'go on where the range fields say'],
  'upload-unknown': [404, 'BLOB_UPLOAD_UNKNOWN', 'begin the blob again; uploads end with the server'],
  'upload-busy': [409, 'BLOB_UPLOAD_INVALID', 'wait for the other request, or begin the blob again'],
  'too-many-uploads': [429, 'TOOMANYREQUESTS', 'try again when other pushes have ended'],
  'manifest-unknown': [404, 'MANIFEST_UNKNOWN', 'ashlar get releases shows what was pushed'],
  'manifest-invalid': [
    400,
    'MANIFEST_INVALID',
    'push what an OCI tool made, with the content-type that it names',
  ],
  'manifest-blob-unknown': [404, 'MANIFEST_BLOB_UNKNOWN', 'push blobs and manifests before what names them'],
  'manifest-held': [409, 'DENIED', 'remove what names it first; a write-once tag keeps its manifest'],
  // No code of the specification says it; clients print an unlisted code as "unknown", and DENIED as "denied: <message>".
  'tag-immutable': [409, 'DENIED', 'give the release a new version'],
  'disk-full': [507, 'UNSUPPORTED', 'make space on the disk of the registry'],
  internal: [500, 'UNKNOWN', 'its operator finds the cause in what ashlar serve wrote to its standard error'],
} as const satisfies Record<string, readonly [status: number, code: string, hint: string]>

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
  const [status, code, hint] = wire[known.code]
  const detail = { reason: known.code, hint: known.hint ?? hint }
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
