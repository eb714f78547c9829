// Makes proof: release and director keys, and what they sign. A host that only judges never loads this folder.
export { type Envelope, preAuthEncoding, signEnvelope } from './envelope.ts'
export {
  generateKeyPair,
  type KeyKind,
  type KeyPair,
  keyKinds,
  loadPrivateKey,
  type PrivateKey,
  SignError,
} from './keys.ts'
export { signStatement } from './statement.ts'
