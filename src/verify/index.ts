// Judges proof: given keys, a time and bytes it says verified or refused, and why. It writes nothing and dials nobody.
export { type AssignmentClaims, type AssignmentVerdict, judgeAssignment } from './assignment.ts'
export { type Envelope, judgeEnvelope, type Refused, type VerifiedEnvelope } from './envelope.ts'
export { judgeFloor } from './floor.ts'
export { readPublicKey, type VerifyingKey, VerifyKeyError } from './keys.ts'
export { limits } from './limits.ts'
export {
  type EvidenceVerdict,
  judgeEvidence,
  judgeRelease,
  type ReleaseVerdict,
  type VerifiedRelease,
} from './release.ts'
