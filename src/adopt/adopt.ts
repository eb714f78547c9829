import type { Finding } from '../core/index.ts'
import type { LaidFile } from './lay-files.ts'
import { nameOf, type Observing, observe, readFiles } from './observe.ts'
import { draftOf, pathsToRead, planOf, type Summary } from './plan.ts'
import { printReport } from './text.ts'

export interface AdoptOptions extends Observing {
  /** Of the image; default: the system's host name. */
  readonly name?: string
}

export interface Adoption {
  readonly summary: Summary
  readonly findings: readonly Finding[]
  /** What is to be written: `ashlar.yaml`, `ADOPTED.md`, and the files that the definition lays over the packages. */
  readonly files: readonly LaidFile[]
}

/** Observe, plan, and give what is to be written; nothing is written here, and nothing changed there. @throws AdoptError */
export async function adopt(options: AdoptOptions): Promise<Adoption> {
  const facts = await observe(options)
  const draft = draftOf(facts, options.name)
  const contents = await readFiles(options, pathsToRead(draft))
  const { definition, files, summary, findings } = planOf(facts, draft, contents)
  const texts = {
    'ashlar.yaml': definition,
    'ADOPTED.md': printReport(summary, findings, nameOf(options.target)),
  }
  const own = Object.entries(texts).map(([path, text]) => ({
    path,
    content: Buffer.from(text),
    executable: false,
  }))
  return { summary, findings, files: [...own, ...files] }
}
