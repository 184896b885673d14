import { z } from 'zod'
import { duration, matching, text } from './text-schema.ts'
import { parseProviderEndpoint } from './web-address.ts'

const NAME = /^[A-Za-z0-9_.-]{1,100}$/
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,100}$/
const CODE = /^[a-z_]{1,40}$/
/** A document and at least one step: `user.id`, `emails[primary&verified].email`, `teams[].slug`. */
const PATH = /^[a-z][a-z0-9_]*(?:\[[A-Za-z0-9_&]*\])?(?:\.[A-Za-z0-9_-]+(?:\[[A-Za-z0-9_&]*\])?)*$/
/** Parameters of the protocol itself, which are ours (RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID Connect Core §3.1.2.1). */
const OURS =
  /^(?!(?:response_type|response_mode|client_id|client_secret|redirect_uri|state|nonce|code_challenge|code_challenge_method|request|request_uri)$)/

const endpoint = (description: string, example: string) =>
  text(parseProviderEndpoint).meta({ description, examples: [example] })

const path = (description: string, example: string) =>
  matching(PATH, 'is not a path into a document', 'write a path such as user.id or emails[primary].email').meta({
    description,
    examples: [example],
  })

const headers = z
  .record(
    matching(HEADER_NAME, 'is not a header name', 'write a header name such as Accept'),
    matching(/^[\x20-\x7e]{1,1000}$/, 'cannot be sent as a header', 'write printable ASCII').meta({ examples: ['1'] }),
  )
  .meta({ description: 'Further headers.' })
  .prefault({})

const format = z
  .enum(['form', 'json'])
  .meta({ description: 'How parameters are written: form (RFC 6749) or json.', examples: ['form'] })
  .prefault('form')

const codes = (description: string, example: string) =>
  z
    .array(matching(CODE, 'is not an error code', 'write it as the provider sends it').meta({ examples: [example] }))
    .meta({ description })
    .prefault([])

/** Whether a client sends its secret in a header or in the body (RFC 6749 §2.3.1). */
const METHODS = ['client_secret_basic', 'client_secret_post'] as const

/** Further parameters of an authorization request. */
export const AuthorizationParametersSchema = z
  .record(
    matching(NAME, 'is not the name of a parameter', 'write it as the provider documents it').refine(
      (name) => OURS.test(name),
      { message: 'is a parameter of the protocol itself', params: { fix: 'remove it; the gateway sets it' } },
    ),
    matching(/^[\x20-\x7e]{0,1000}$/, 'cannot be sent', 'write printable ASCII').meta({ examples: ['consent'] }),
  )
  .meta({ description: 'Further parameters of the authorization request; an empty one leaves ours out.' })
  .prefault({})

/** Claims of which everybody must have one value. */
export const RequireClaimsSchema = z
  .record(
    z.string(),
    z
      .array(matching(/^[^\p{C}]{1,256}$/u, 'is not the value of a claim', 'write it as the provider sends it'))
      .min(1)
      .meta({ examples: [['example.com']] }),
  )
  .meta({ description: 'Whoever has none of the values is denied; such as hd: [example.com] at Google.' })
  .prefault({})

/** What is known about refresh tokens. */
export const RefreshSchema = z
  .strictObject({
    issued: z
      .enum(['always', 'sometimes', 'never'])
      .meta({ description: 'Whether refresh tokens come.', examples: ['sometimes'] })
      .prefault('sometimes'),
    rotates: z
      .enum(['always', 'sometimes', 'never'])
      .meta({ description: 'Whether each use replaces them.', examples: ['sometimes'] })
      .prefault('sometimes'),
    grace: duration('1h')
      .meta({ description: 'For how long a replaced one still works, if the provider promises that.' })
      .meta({ examples: ['30s'] })
      .optional(),
  })
  .meta({ description: 'What is known about refresh tokens.' })
  .prefault({})

const ends = z.enum(['tokens', 'account']).meta({
  description: 'What giving tokens back ends: those tokens, or all that the user has granted to us.',
  examples: ['account'],
})

/** How the provider is asked for a token for another service. */
export const TokenExchangeSchema = z
  .strictObject({
    style: z
      .enum(['rfc8693', 'on-behalf-of', 'none'])
      .meta({ description: 'rfc8693, on-behalf-of (Entra), or none.', examples: ['rfc8693'] }),
  })
  .meta({ description: 'How it exchanges tokens, for credentials of kind token-exchange.' })
  .prefault({ style: 'rfc8693' })

/** The reach of a revocation endpoint that the provider's metadata name. */
export const RevocationEndsSchema = ends.prefault('account')

const IdentitySchema = z
  .strictObject({
    requests: z
      .record(
        matching(
          /^(?!token$)[a-z][a-z0-9_]{0,30}$/,
          'is not a name for an answer',
          'use a-z, 0-9 and _, but not token',
        ),
        z.strictObject({
          url: endpoint('Asked with the access token of the user.', 'https://api.example.com/user'),
          method: z.enum(['GET', 'POST']).meta({ description: 'GET or POST.' }).prefault('GET'),
          headers,
          body: matching(/^[\x20-\x7e]{1,2000}$/, 'cannot be sent', 'write JSON on one line')
            .meta({ description: 'JSON that is sent as it stands.', examples: ['{"query":"{ viewer { id } }"}'] })
            .optional(),
          optional: z.boolean().meta({ description: 'Whether a refusal does no harm.' }).prefault(false),
        }),
      )
      .meta({ description: 'Whom to ask; each answer gets a name. The token answer is there as token.' })
      .prefault({}),
    subject: z
      .array(path('A path to a part of the subject.', 'user.id'))
      .min(1)
      .meta({ description: 'Where the lasting id of the user is; several parts are joined.', examples: [['user.id']] }),
    name: z
      .array(path('A path to a name.', 'user.name'))
      .meta({ description: 'Where their name is: the first that is there.' })
      .prefault([]),
    email: path('Where the e-mail address is.', 'user.email').optional(),
    email_verified: matching(
      new RegExp(`^always$|${PATH.source}`),
      'is neither a path nor always',
      'write a path, or always if the provider shows verified addresses only',
    )
      .meta({ description: 'A path to true when the address is verified; always if every address is.' })
      .meta({ examples: ['user.email_verified'] })
      .optional(),
    groups: path('Where the groups are.', 'teams[].slug').optional(),
  })
  .superRefine((identity, context) => {
    const known = [...Object.keys(identity.requests), 'token']
    const check = (at: (string | number)[], value: string | undefined) => {
      if (value === undefined || value === 'always' || known.includes(/^[a-z0-9_]+/.exec(value)?.[0] ?? '')) return
      const fix = `start it with one of: ${known.join(', ')}`
      context.addIssue({
        code: 'custom',
        path: at,
        message: 'starts at an answer that nobody asks for',
        params: { fix },
      })
    }
    for (const [index, value] of identity.subject.entries()) check(['subject', index], value)
    for (const [index, value] of identity.name.entries()) check(['name', index], value)
    for (const key of ['email', 'email_verified', 'groups'] as const) check([key], identity[key])
    if ((identity.email === undefined) !== (identity.email_verified === undefined))
      context.addIssue({
        code: 'custom',
        path: [identity.email === undefined ? 'email_verified' : 'email'],
        message: 'needs email and email_verified together',
        params: { fix: 'say how it is known that the address is verified, or leave out both' },
      })
  })
  .meta({ description: 'How to learn who the user is.' })

const RevocationSchema = z.strictObject({
  url: endpoint('Where tokens are given back; may hold {client_id}.', 'https://login.example.com/oauth/revoke'),
  method: z.enum(['POST', 'DELETE']).meta({ description: 'POST (RFC 7009) or DELETE.' }).prefault('POST'),
  authentication: z
    .enum([...METHODS, 'bearer'])
    .meta({ description: 'With our secret, or bearer: with the access token itself.' })
    .prefault('client_secret_post'),
  format,
  headers,
  parameters: z
    .record(z.string(), matching(/^[\x20-\x7e]{0,200}$/, 'cannot be sent', 'write printable ASCII'))
    .meta({ description: 'What is sent; {access_token}, {token} and {token_type_hint} stand for what they say.' })
    .prefault({ token: '{token}', token_type_hint: '{token_type_hint}' }),
  ends: ends.prefault('account'),
})

/** Everything about an OAuth 2.0 provider but what our client is called there and which scopes it asks for. */
export const OAUTH2_KEYS = {
  authorization_endpoint: endpoint('Where users sign in.', 'https://login.example.com/oauth/authorize'),
  token_endpoint: endpoint('Where codes are exchanged.', 'https://login.example.com/oauth/token'),
  scope_separator: matching(/^[ ,+]$/, 'is not a separator', 'write " " or ","')
    .meta({ description: 'Between scopes; a space by default.', examples: ['","'] })
    .prefault(' '),
  scope_parameter: matching(NAME, 'is not the name of a parameter', 'write scope')
    .meta({ description: 'The parameter that carries the scopes.', examples: ['scope'] })
    .prefault('scope'),
  pkce: z.boolean().meta({ description: 'Whether it knows PKCE with S256 (RFC 7636).' }).prefault(true),
  client_authentication: z
    .enum(METHODS)
    .meta({ description: 'How our secret is sent (RFC 6749 §2.3.1).', examples: ['client_secret_post'] })
    .prefault('client_secret_post'),
  token_request: z
    .strictObject({ format, headers })
    .meta({ description: 'How the token endpoint is asked.' })
    .prefault({}),
  token_answer: z
    .strictObject({
      member: matching(NAME, 'is not the name of a member', 'write it as it stands in the answer')
        .meta({ description: 'The member that holds the tokens; by default the answer itself.', examples: ['user'] })
        .optional(),
      refresh_member: matching(NAME, 'is not the name of a member', 'write it as it stands in the answer')
        .meta({ description: 'The same in the answer to a refresh token.', examples: ['user'] })
        .optional(),
      token_types: z
        .array(
          matching(/^[a-z_]{1,40}$/, 'is not a token type', 'write it in lower case').meta({ examples: ['bearer'] }),
        )
        .min(1)
        .meta({ description: 'Values of token_type; absent stands for none.' })
        .prefault(['bearer']),
      form_encoded: z
        .boolean()
        .meta({ description: 'Whether an answer may be a form instead of JSON.' })
        .prefault(false),
      dead_codes: codes('Errors that say that a refresh token is gone for ever.', 'bad_refresh_token'),
      passing_codes: codes('Errors that say: later.', 'ratelimited'),
    })
    .meta({ description: 'How its answers are read.' })
    .prefault({}),
  identity: IdentitySchema,
  revocation: RevocationSchema.meta({ description: 'How tokens are given back; absent: they are not.' }).optional(),
}
