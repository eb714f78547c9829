// Makes statements about releases: where a release came from. Others sign them.
export { type Commit, describeCommit } from './commit.ts'
export { buildType, type Provenance, type ProvenanceInputs, provenanceStatement } from './provenance.ts'
