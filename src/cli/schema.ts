import { definitionJsonSchema } from '../core/index.ts'
import type { Registrar } from './command.ts'

/** `ashlar schema`: what editors complete `ashlar.yaml` with. */
export function addSchema({ command, act }: Registrar): void {
  command({
    usage: 'schema',
    summary: 'print the JSON Schema of ashlar.yaml, for editors',
    example: 'schema > ashlar.schema.json',
  }).action(
    act(async () => {
      const schema = definitionJsonSchema()
      return { json: schema, text: JSON.stringify(schema, null, 2) }
    }),
  )
}
