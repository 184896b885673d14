import { z } from 'zod'
import { matching, text } from './text-schema.ts'
import { parseDocumentHost } from './web-address.ts'

const NAME = /^[^\s\p{C}](?:[^\p{C}]{0,98}[^\s\p{C}])?$/u

const host = (description: string, example: string) =>
  text(parseDocumentHost).meta({ description, examples: [example] })

const MatchSchema = z
  .strictObject({
    client_id: matching(/^[\x21-\x7e]{1,2048}$/, 'is not a client id', 'write the id of one MCP client')
      .meta({ description: 'The id of the MCP client, exactly.', examples: ['inspector'] })
      .optional(),
    client_id_host: host('The host of a client id that is the address of a metadata document.', 'claude.ai').optional(),
    redirect_host: host('The host that answers go to; a claim of clients that registered themselves.', 'claude.ai')
      .meta({ examples: ['claude.ai'] })
      .optional(),
    client_name: matching(NAME, 'is not a name', 'write 1 to 100 characters; * stands for any')
      .meta({ description: 'What it calls itself, which nobody has checked; * stands for any characters.' })
      .meta({ examples: ['Claude*'] })
      .optional(),
  })
  .meta({ description: 'What must be true of the MCP client: everything that is written here.' })

/** `upstream_clients` of a provider, around the keys that name a client there. */
export function upstreamClientsSchema<Keys extends z.ZodRawShape>(clientKeys: Keys) {
  const SharedSchema = z
    .strictObject({
      mode: z.literal('shared').meta({ description: 'The one client of this block, for every MCP client.' }),
    })
    .meta({ description: 'One for all.' })
  const MappedSchema = z
    .strictObject({
      mode: z.literal('mapped').meta({ description: 'Clients that you registered, by rules.' }),
      rules: z
        .array(
          z.strictObject({
            match: MatchSchema,
            ...clientKeys,
            name: matching(NAME, 'cannot be shown', 'write 1 to 100 characters')
              .meta({ description: 'What the application is called at the provider, for the consent page.' })
              .meta({ examples: ['Claude'] })
              .optional(),
          }),
        )
        .min(1)
        .max(500)
        .meta({ description: 'The first one that fits counts.' }),
      otherwise: z
        .enum(['shared', 'refuse'])
        .meta({ description: 'Whom no rule fits: the client of this block, or access_denied.', examples: ['shared'] })
        .prefault('shared'),
    })
    .meta({ description: 'By rules.' })
  return z
    .discriminatedUnion('mode', [SharedSchema, MappedSchema])
    .meta({ description: 'Which client we are at the provider, for each MCP client. Default: mode shared.' })
    .optional()
}
