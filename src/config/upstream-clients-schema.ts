import { z } from 'zod'
import { matching, secret, text } from './text-schema.ts'
import { parseDocumentHost, parseProviderEndpoint } from './web-address.ts'

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
  const MirroredSchema = z
    .strictObject({
      mode: z.literal('mirrored').meta({ description: 'One client for each MCP client, registered by us (RFC 7591).' }),
      registration_endpoint: text(parseProviderEndpoint)
        .meta({ description: "Where we register; by default what the provider's metadata say." })
        .meta({ examples: ['https://login.example.com/register'] })
        .optional(),
      initial_access_token: secret(
        /^[\x21-\x7e]{1,8192}$/,
        'cannot be sent',
        'copy the token that lets us register clients from the provider',
      )
        .meta({ description: 'A token that lets us register, where the provider wants one (RFC 7591 §3).' })
        .meta({ examples: [`\${env:CORP_REGISTRATION_TOKEN}`] })
        .optional(),
      max_clients: z
        .int()
        .min(1)
        .max(100_000)
        .meta({
          description: 'How many we register at once; beyond that unused ones are taken back.',
          examples: [1000],
        })
        .prefault(1000),
    })
    .meta({ description: 'Registered.' })
  return z
    .discriminatedUnion('mode', [SharedSchema, MappedSchema, MirroredSchema])
    .meta({ description: 'Which client we are at the provider, for each MCP client. Default: mode shared.' })
    .optional()
}
