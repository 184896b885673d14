import { z } from 'zod'
import { parseHeaderTemplate } from '../domain/header-template.ts'
import { ok } from '../domain/result.ts'
import { fault } from './fault.ts'
import { MESSAGE_RULES } from './message-rules-schema.ts'
import { duration, matching, secret, text } from './text-schema.ts'
import { parseIssuer, parseLink, parseProbe, parseUpstream } from './web-address.ts'

const DOMAIN = /^(?=.{1,253}$)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/
const LISTED = /^[^\s\p{C}](?:[^\p{C}]{0,253}[^\s\p{C}])?$/u
/** RFC 9110 §5.5: what survives as one header value. */
const HEADER_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]{0,8190}[\x21-\x7e])?$/

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

/** Where to read in the answer of a probe: a dotted path into its JSON, or a header. */
const answerPath = (description: string, example: string) =>
  matching(
    /^(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|header:[A-Za-z0-9-]+)$/,
    'does not name a place in the answer',
    'write a path such as login or user.name, or header:x-oauth-scopes',
  )
    .meta({ description, examples: [example] })
    .optional()

const template = () =>
  text((value) => {
    const parsed = parseHeaderTemplate(value)
    return parsed.ok ? parsed : fault('is not a header template', parsed.failure)
  })

const UserPatSchema = z.strictObject({
  kind: z.literal('user-pat').meta({ description: "Each user's own token, asked for when they sign in." }),
  label: matching(/^[^\s\p{C}](?:[^\p{C}]{0,78}[^\s\p{C}])?$/u, 'cannot be shown', 'write 1 to 80 characters').meta({
    description: 'What the token is called.',
    examples: ['GitHub personal access token'],
  }),
  create_url: text(parseLink)
    .meta({ description: 'Where users create one.', examples: ['https://github.com/settings/tokens'] })
    .optional(),
  help: matching(/^[^\p{C}]{1,500}$/u, 'cannot be shown', 'write at most 500 characters on one line')
    .meta({ description: 'What the token must be allowed to do.', examples: ['It needs the scope repo.'] })
    .optional(),
  probe: z
    .strictObject({
      url: text(parseProbe).meta({
        description: 'Where a token is tried before it is kept; https, or http on loopback.',
        examples: ['https://api.github.com/user'],
      }),
      headers: z
        .record(z.string(), template().meta({ examples: ['token {credential}'] }))
        .meta({ description: 'How the token is sent there. Default: Authorization: Bearer {credential}.' })
        .optional(),
      account: answerPath('Where the answer names the account.', 'login'),
      scopes: answerPath('Where it names what the token may do.', 'header:x-oauth-scopes'),
      expires: answerPath('Where it names the end of the token.', 'header:github-authentication-token-expiration'),
    })
    .meta({ description: 'Tries each token before it is kept; without it, any token is believed.' })
    .optional(),
})

const CredentialSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none').meta({ description: 'Nothing.' }) }),
  z.strictObject({
    kind: z.literal('static').meta({ description: 'The same key for everybody.' }),
    value: secret(
      HEADER_VALUE,
      'cannot be sent as a header value',
      `write printable ASCII without spaces around it, such as \${env:SHARED_PAT}`,
    ).meta({ description: 'The key or token.', examples: [`\${env:SHARED_PAT}`] }),
  }),
  z.strictObject({
    kind: z.literal('provider-token').meta({ description: "The user's own access token of the provider." }),
    provider: z
      .string()
      .meta({
        description: 'By default the one of sign_in; another one is a second step for the user.',
        examples: ['corp'],
      })
      .optional(),
  }),
  UserPatSchema,
  z.strictObject({
    kind: z.literal('signed-jwt').meta({ description: 'A short-lived JWT about the user, signed by this gateway.' }),
    audience: matching(
      /^[\x21-\x7e]{1,500}$/,
      'is not an audience',
      'write the name that the server checks, such as its URL',
    )
      .meta({
        description: 'What the server expects as aud; by default its upstream URL.',
        examples: ['https://wiki.internal'],
      })
      .optional(),
    lifetime: duration('1h')
      .meta({ description: 'How long one statement is good.', examples: ['5m'] })
      .prefault('5m'),
  }),
])

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
