import { z } from 'zod'
import { findPreset, presetNames } from './presets.ts'
import { OAuth2ProviderSchema, OidcProviderSchema, ScopesSchema } from './provider-schema.ts'

/** A provider block with `preset`, for editors only: in gateway.yaml it is judged after the preset has been put under it. */
export function createPresetBlockSchema() {
  const names = presetNames()
  const keys = names.flatMap((name) => Object.entries(findPreset(name)?.keys ?? {}))
  const { type: _, ...oidc } = OidcProviderSchema.partial().shape
  const { type: __, ...oauth2 } = OAuth2ProviderSchema.partial().shape
  return z
    .strictObject({
      preset: z.enum(names).meta({ description: 'A provider that is known; docs/providers.md lists them.' }),
      type: z.enum(['oidc', 'oauth2']).meta({ description: 'What the preset is anyway.' }).optional(),
      ...Object.fromEntries(
        keys.map(([key, { description }]) => [
          key,
          z
            .string()
            .meta({ description: `${description}.` })
            .optional(),
        ]),
      ),
      ...oauth2,
      ...oidc,
      client_id: OidcProviderSchema.shape.client_id,
      extra_scopes: ScopesSchema.min(1).meta({ description: 'Scopes besides those of the preset.' }).optional(),
    })
    .meta({ description: 'A provider that is known.' })
}
