import { z } from 'zod'
import { parsePasswordHash } from '../domain/password-hash.ts'
import { ok } from '../domain/result.ts'
import { Secret } from '../domain/secret.ts'
import { fault } from './fault.ts'
import {
  AuthorizationParametersSchema,
  OAUTH2_KEYS,
  RefreshSchema,
  RequireClaimsSchema,
  RevocationEndsSchema,
  TokenExchangeSchema,
} from './oauth2-schema.ts'
import { matching, secret, text } from './text-schema.ts'
import { upstreamClientsSchema } from './upstream-clients-schema.ts'
import { parseIssuer } from './web-address.ts'

/** RFC 6749 Appendix A.1 and A.2: VSCHAR. */
const CLIENT_ID = /^[\x21-\x7e](?:[\x20-\x7e]{0,498}[\x21-\x7e])?$/
const CLIENT_SECRET = /^[\x20-\x7e]{1,1000}$/
/** RFC 6749 §3.3: scope-token. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/

const CLAIM = /^[^\p{C}]{1,200}$/u

/** What our client is called at a provider. */
export const CLIENT_KEYS = {
  client_id: matching(CLIENT_ID, 'is not a client id', 'copy it from the registration at the provider').meta({
    description: 'Our client id at the provider. Register public_url + /callback/NAME as its redirect URI.',
    examples: ['gatehouse'],
  }),
  client_secret: secret(CLIENT_SECRET, 'is not a client secret', 'copy it from the registration at the provider')
    .meta({ description: 'Our client secret; absent for a public client.', examples: [`\${env:CORP_CLIENT_SECRET}`] })
    .optional(),
}

const UpstreamClientsSchema = upstreamClientsSchema(CLIENT_KEYS)

/** Of the provider's block, where another check knows when the id may be left out. */
const SHARED_CLIENT_KEYS = { ...CLIENT_KEYS, client_id: CLIENT_KEYS.client_id.optional() }

/** A list of scopes. */
export const ScopesSchema = z
  .array(matching(SCOPE, 'is not a scope', 'write one scope for each list entry').meta({ examples: ['openid'] }))
  .meta({ description: 'What we ask for; offline_access where refresh tokens need it.' })

export const GroupsClaimSchema = matching(
  CLAIM,
  'is not the name of a claim',
  'write a claim name such as groups',
).meta({
  description: "The claim that lists the user's groups.",
  examples: ['groups'],
})

export const IssuerSchema = text(parseIssuer).meta({
  description: 'The issuer, exactly as the provider publishes it; https except on loopback.',
  examples: ['https://login.example.com/realms/main'],
})

/** An OpenID Connect provider where the gateway is one pre-registered client. */
export const OidcProviderSchema = z
  .strictObject({
    type: z.literal('oidc').meta({ description: 'OpenID Connect with discovery.' }),
    issuer: IssuerSchema,
    ...SHARED_CLIENT_KEYS,
    upstream_clients: UpstreamClientsSchema,
    scopes: ScopesSchema.prefault(['openid', 'email', 'profile']),
    authorization_parameters: AuthorizationParametersSchema,
    groups_claim: GroupsClaimSchema.prefault('groups'),
    email_verified_claim: matching(CLAIM, 'is not the name of a claim', 'write a claim name such as xms_edov')
      .meta({ description: 'A claim that vouches for the e-mail address instead of email_verified.' })
      .meta({ examples: ['xms_edov'] })
      .optional(),
    require_claims: RequireClaimsSchema,
    refresh: RefreshSchema,
    revocation_ends: RevocationEndsSchema,
    token_exchange: TokenExchangeSchema,
  })
  .meta({ description: 'OpenID Connect.' })

/** A provider with plain OAuth 2.0 and an API that says who the user is. */
export const OAuth2ProviderSchema = z
  .strictObject({
    type: z.literal('oauth2').meta({ description: 'OAuth 2.0 without OpenID Connect.' }),
    ...SHARED_CLIENT_KEYS,
    upstream_clients: UpstreamClientsSchema,
    scopes: ScopesSchema.prefault([]),
    authorization_parameters: AuthorizationParametersSchema,
    require_claims: RequireClaimsSchema,
    refresh: RefreshSchema,
    token_exchange: TokenExchangeSchema,
    ...OAUTH2_KEYS,
  })
  .meta({ description: 'OAuth 2.0 (RFC 6749).' })

/** A handful of people, each with a scrypt hash. */
export const PasswordProviderSchema = z
  .strictObject({
    type: z.literal('password').meta({ description: 'User names with scrypt hashes.' }),
    users: z
      .record(
        z.string(),
        text((value) => (parsePasswordHash(value) ? ok(new Secret(value)) : notAHash(value))).meta({
          description: 'What `gatehouse hash-password` prints.',
        }),
      )
      .meta({
        description: 'Hashes from `gatehouse hash-password`, by user name.',
        examples: ['alice: "scrypt$…"'],
      }),
  })
  .meta({ description: 'Password sign-in.' })

function notAHash(value: string) {
  const fix = 'run `gatehouse hash-password` and put its whole output here, in quotes'
  return value.startsWith('scrypt$')
    ? fault('is a damaged hash, or one that is far too cheap or too expensive', fix)
    : fault('looks like a plain password, not like a scrypt hash', fix)
}
