import { z } from 'zod'
import { createPresetBlockSchema } from './preset-block-schema.ts'
import { GatewaySchema } from './schema.ts'

/** The text of config/gateway.schema.json: gateway.yaml as a JSON Schema (draft 2020-12) for editors. */
export function renderJsonSchema(): string {
  const { providers } = GatewaySchema.shape
  const withPresets = GatewaySchema.extend({
    providers: z
      .record(providers.keyType, z.union([createPresetBlockSchema(), providers.valueType]))
      .meta({ ...providers.meta() }),
  }).meta({ ...GatewaySchema.meta() })
  const schema = z.toJSONSchema(withPresets, {
    io: 'input',
    unrepresentable: 'any',
    // Examples of whole blocks are YAML for people, not values of the schema.
    override({ jsonSchema }) {
      if (jsonSchema.type !== 'string') delete jsonSchema.examples
    },
  })
  return `${JSON.stringify(schema, null, 2)}\n`
}
