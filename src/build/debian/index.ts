// What Debian writes, read and judged: control files, versions, relations, the archive's indexes, packages.
export { type Archive, Catalogue, parseRelease } from './archive-index.ts'
export { type Control, closureOf, readControls, unpackBatches } from './control.ts'
export { type Paragraph, parseDeb822 } from './deb822.ts'
export { readDebianPackage } from './debian-package.ts'
export { presentPackage } from './present-package.ts'
export { holds, parseRelations, printRelation, type Relation } from './relation.ts'
