import { z } from 'zod'
import { parseHeaderTemplate } from '../domain/header-template.ts'
import { ACCESS_TOKEN_TYPE, JWT_TYPE } from '../domain/token-exchange.ts'
import { fault } from './fault.ts'
import { duration, matching, oneOrMany, secret, text } from './text-schema.ts'
import { parseLink, parseProbe } from './web-address.ts'

/** RFC 9110 §5.5: what survives as one header value. */
const HEADER_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]{0,8190}[\x21-\x7e])?$/

/** RFC 8693 §2.1: any text of one line; RFC 8707 §2: a URI without fragment; RFC 6749 §3.3. */
const AUDIENCE = matching(/^[^\s\p{C}]{1,500}$/u, 'is not an audience', 'write the name that the provider knows')
const RESOURCE = matching(
  /^[a-z][a-z0-9+.-]*:[\x21\x22\x24-\x7e]{1,500}$/i,
  'is not the address of a resource',
  'write an absolute URI without fragment, such as https://wiki.internal/',
)
const SCOPE = matching(/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/, 'is not a scope', 'write one scope for each list entry')

const oneOrMore = (of: typeof AUDIENCE, description: string, example: string) =>
  oneOrMany(of)
    .meta({ description, examples: [example] })
    .optional()

/** Where to read in the answer of a probe: a dotted path into its JSON, or a header. */
const answerPath = (description: string, example: string) =>
  matching(
    /^(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|header:[A-Za-z0-9-]+)$/,
    'does not name a place in the answer',
    'write a path such as login or user.name, or header:x-oauth-scopes',
  )
    .meta({ description, examples: [example] })
    .optional()

/** Text with `{credential}`, `{user.email}` or `{user.sub}` in it. */
export const template = () =>
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

/** RFC 8693 §3: a URI. */
const tokenType = (description: string) =>
  matching(
    /^(?!urn:ietf:params:oauth:token-type:refresh_token$)[a-z][a-z0-9+.-]*:[\x21-\x7e]{1,300}$/,
    'is not a type of token that can be used here',
    `write a URI such as ${ACCESS_TOKEN_TYPE}`,
  ).meta({ description, examples: [ACCESS_TOKEN_TYPE] })

const TokenExchangeCredentialSchema = z.strictObject({
  kind: z.literal('token-exchange').meta({
    description: 'A token that the provider issues for this server in exchange for its own (RFC 8693).',
  }),
  provider: z
    .string()
    .meta({ description: 'By default the one of sign_in; another one is a second step for the user.' })
    .optional(),
  audience: oneOrMore(AUDIENCE, 'Names of the service that the token is for, as the provider knows it.', 'wiki'),
  resource: oneOrMore(RESOURCE, 'Its address instead of, or besides, its name.', 'https://wiki.internal/'),
  scope: oneOrMore(SCOPE, 'Scopes of the new token.', 'wiki.read'),
  requested_token_type: tokenType('What kind of token it shall be; by default the provider decides.').optional(),
  subject_token_type: z
    .enum([ACCESS_TOKEN_TYPE, JWT_TYPE])
    .meta({ description: "What the provider calls the user's token.", examples: [ACCESS_TOKEN_TYPE] })
    .prefault(ACCESS_TOKEN_TYPE),
})

/** What a route's MCP server gets. */
export const CredentialSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none').meta({ description: 'Nothing.' }) }),
  z.strictObject({
    kind: z.literal('static').meta({ description: 'The same key for everybody.' }),
    notice: matching(/^[^\p{C}]{1,500}$/u, 'cannot be shown', 'write at most 500 characters on one line')
      .meta({
        description: 'What the consent page adds about the shared account.',
        examples: ['Everything is done as the account release-bot.'],
      })
      .optional(),
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
  TokenExchangeCredentialSchema,
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
