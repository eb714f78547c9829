import { join } from 'node:path'
import { type Definition, type Digest, parseDefinition } from '../../core/index.ts'
import { whenThere } from '../../disk/index.ts'
import { digestOf } from '../../oci/index.ts'
import type { Sys } from '../../sys/index.ts'
import { BuildError } from '../errors.ts'

export const definitionName = 'ashlar.yaml'
export const lockName = 'ashlar.lock'

export interface DefinitionFile {
  readonly definition: Definition
  /** Of the file's bytes. */
  readonly digest: Digest
  /** `ashlar.yaml:14 spec.packages[3]` of a path. */
  readonly place: (path: readonly PropertyKey[]) => string
}

/** Reads `ashlar.yaml` of a folder. @throws BuildError `definition-missing`, `definition-invalid` with every finding */
export async function readDefinition(sys: Sys, folder: string): Promise<DefinitionFile> {
  const file = join(folder, definitionName)
  const bytes = await whenThere(sys.disk.readFile(file))
  if (bytes === undefined)
    throw new BuildError('definition-missing', `there is no ${definitionName} in ${folder}`, {
      where: file,
      hint: 'ashlar init makes one',
    })
  const parsed = parseDefinition(new TextDecoder().decode(bytes), file)
  if (parsed.is === 'definition')
    return { definition: parsed.definition, digest: digestOf(bytes), place: parsed.place }
  const places = parsed.findings.length === 1 ? 'one place' : `${parsed.findings.length} places`
  throw new BuildError('definition-invalid', `the definition is wrong in ${places}`, {
    where: file,
    findings: parsed.findings,
    hint: 'mend these lines; ashlar schema prints every key that there is',
  })
}
