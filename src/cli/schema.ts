import { definitionJsonSchema } from '../core/index.ts'
import type { Registrar } from './command.ts'

/** `ashlar schema`: what editors complete `ashlar.yaml` with. */
export function addSchema({ command, act }: Registrar): void {
  command({
    usage: 'schema',
    summary: 'print the JSON Schema of ashlar.yaml, for editors',
    about:
      'Editors that speak YAML complete and check ashlar.yaml with it; ashlar init writes it beside the definition.',
    examples: ['schema > ashlar.schema.json'],
    see: ['init'],
  }).action(
    act(async () => {
      const schema = definitionJsonSchema()
      return { json: schema, text: JSON.stringify(schema, null, 2) }
    }),
  )
}
