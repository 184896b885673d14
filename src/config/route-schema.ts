import { z } from 'zod'
import { ok } from '../domain/result.ts'
import { CredentialSchema, template } from './credential-schema.ts'
import { fault } from './fault.ts'
import { MESSAGE_RULES } from './message-rules-schema.ts'
import { duration, matching, text } from './text-schema.ts'
import { parseIssuer, parseUpstream } from './web-address.ts'

const DOMAIN = /^(?=.{1,253}$)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/
const LISTED = /^[^\s\p{C}](?:[^\p{C}]{0,253}[^\s\p{C}])?$/u
const listed = (example: string) =>
  z.array(
    text((value) =>
      value === '*' || !LISTED.test(value)
        ? fault('does not name anybody', 'name each one; to let everybody in who can sign in, leave out allow')
        : ok(value),
    ).meta({ examples: [example] }),
  )

const AllowSchema = z.strictObject({
  email_domains: z
    .array(
      matching(DOMAIN, 'is not an e-mail domain', 'write what stands behind the @, without wildcard').meta({
        examples: ['example.com'],
      }),
    )
    .meta({ description: 'Domains of verified e-mail addresses.' })
    .optional(),
  groups: listed('engineering').meta({ description: 'Groups, as the provider names them.' }).optional(),
  users: listed('bob@partner.example').meta({ description: 'Verified e-mail addresses, or subjects.' }).optional(),
})

const ExternalSchema = z.strictObject({
  issuers: z
    .array(text(parseIssuer).meta({ examples: ['https://login.example.com/realms/main'] }))
    .min(1)
    .meta({ description: 'Issuers, exactly as they stand in iss. Clients are sent to them.' }),
  audience: matching(/^[\x21-\x7e]{1,500}$/, 'is not an audience', 'write the aud of tokens for this server').meta({
    description: 'The one aud that a token must have.',
    examples: ['https://mcp.example.com/wiki'],
  }),
  token_types: z
    .array(matching(/^[a-z0-9+.-]{1,40}$/, 'is not a token type', 'write it in lower case, such as at+jwt or jwt'))
    .min(1)
    .meta({ description: 'Accepted typ of tokens. Default: [at+jwt]; some providers write jwt.', examples: ['at+jwt'] })
    .prefault(['at+jwt']),
  groups_claim: z
    .string()
    .min(1)
    .meta({ description: 'The claim that lists groups.', examples: ['groups'] })
    .prefault('groups'),
})

/** One protected MCP server. */
export const RouteSchema = z.strictObject({
  upstream: text(parseUpstream).meta({
    description: 'Where the MCP server is; requests go to exactly this address.',
    examples: ['http://127.0.0.1:8082/mcp'],
  }),
  transport: z
    .enum(['streamable-http', 'sse'])
    .meta({
      description: 'sse: upstream is the stream endpoint of a server of the old HTTP+SSE transport (2024-11-05).',
      examples: ['streamable-http'],
    })
    .prefault('streamable-http'),
  keep_alive: duration('1h')
    .meta({
      description: 'After so long a silence an event stream gets a comment, for clients and proxies that give up.',
      examples: ['25s'],
    })
    .optional(),
  sign_in: z
    .string()
    .meta({ description: 'The provider where users sign in. Absent where authorization is given.', examples: ['corp'] })
    .optional(),
  authorization: ExternalSchema.meta({
    description: 'Instead of sign_in: authorization servers whose access tokens (RFC 9068) this route takes.',
  }).optional(),
  title: matching(
    /^[^\s\p{C}](?:[^\p{C}]{0,98}[^\s\p{C}])?$/u,
    'cannot be shown as a title',
    'write 1 to 100 characters',
  )
    .meta({ description: 'What people see; by default the path without its slash.', examples: ['GitHub'] })
    .optional(),
  allow: AllowSchema.meta({
    description: 'Who may use it: anybody on any of the lists. Absent: everybody who can sign in.',
    examples: ['{ email_domains: [example.com] }'],
  }).optional(),
  ...MESSAGE_RULES,
  credential: CredentialSchema.meta({
    description: 'What the MCP server gets. Absent: { kind: none }.',
    examples: ['{ kind: none }'],
  }).prefault({ kind: 'none' }),
  inject: z
    .record(z.string(), template().meta({ examples: ['Bearer {credential}'] }))
    .meta({
      description:
        'Headers towards the MCP server, with {credential}, {user.email} and {user.sub}. Default: Authorization: Bearer {credential}.',
      examples: ['{ Authorization: "Bearer {credential}" }'],
    })
    .optional(),
})
