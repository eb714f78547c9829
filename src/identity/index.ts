// Who is there: tokens of people, keys and credentials of nodes, and the server's own certificate authority.
export {
  type Authority,
  certificateFingerprint,
  createAuthority,
  issueServerCertificate,
  isValidAt,
  needsRenewal,
  type ServerCertificate,
} from './authority.ts'
export { type Enrolment, parseEnrolment, printEnrolment } from './enrolment.ts'
export { IdentityError } from './errors.ts'
export { judgeNodeCredential, nodeCredential } from './node-credential.ts'
export { createNodeKey, type NodeKey, publicKeyDigest } from './node-key.ts'
export { createReplayMemory, type ReplayMemory } from './replay-memory.ts'
export { mintToken, parseToken, type TokenKind, tokenHash } from './token.ts'
