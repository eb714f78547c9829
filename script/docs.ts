import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { referencePages, root } from './reference.ts'

const folder = join(root, 'docs/reference')
mkdirSync(folder, { recursive: true })
for (const [name, text] of Object.entries(await referencePages())) writeFileSync(join(folder, name), text)
