import type { RefreshRules, RegistrationRules } from '../domain/provider-profile.ts'
import type { UpstreamClientRules } from '../domain/upstream-client.ts'
import type { ProviderConfig } from './gateway-config.ts'
import type { ParsedGateway } from './schema.ts'

type ParsedProvider = ParsedGateway['providers'][string]
type ParsedOAuth2 = Extract<ParsedProvider, { type: 'oauth2' }>

/** Where every MCP client gets a client of its own: it stands for none, and is sent nowhere. */
const NOBODY = 'none'

/** The provider that its block of a file without problems means; `exchanges`: whether a route has its tokens exchanged. */
export function toProvider(name: string, parsed: ParsedProvider, exchanges: boolean): ProviderConfig {
  if (parsed.type === 'password') return { type: 'password', name, users: new Map(Object.entries(parsed.users)) }
  const shared = {
    name,
    clientId: parsed.client_id ?? NOBODY,
    ...(parsed.client_secret ? { clientSecret: parsed.client_secret } : {}),
    upstreamClients: toUpstreamClients(parsed.upstream_clients),
    ...toRegistration(parsed.upstream_clients, exchanges),
    scopes: [...new Set(parsed.scopes)],
    authorizationParameters: parsed.authorization_parameters,
    requiredClaims: parsed.require_claims,
    refresh: toRefresh(parsed.refresh),
    tokenExchange: parsed.token_exchange.style,
  }
  if (parsed.type === 'oauth2') return { type: 'oauth2', ...shared, ...toOAuth2(parsed) }
  return {
    type: 'oidc',
    ...shared,
    issuer: parsed.issuer,
    groupsClaim: parsed.groups_claim,
    ...(parsed.email_verified_claim === undefined ? {} : { emailVerifiedClaim: parsed.email_verified_claim }),
    revocationEnds: parsed.revocation_ends,
  }
}

function toUpstreamClients(parsed: ParsedOAuth2['upstream_clients']): UpstreamClientRules {
  if (parsed?.mode === 'mirrored') return { mode: 'mirrored', maxClients: parsed.max_clients }
  if (parsed?.mode !== 'mapped') return { mode: 'shared' }
  const rules = parsed.rules.map(({ match, client_id, client_secret, name }) => ({
    match: toMatch(match),
    client: {
      kind: 'mapped' as const,
      clientId: client_id,
      ...(client_secret ? { clientSecret: client_secret } : {}),
      ...(name === undefined ? {} : { name }),
    },
  }))
  return { mode: 'mapped', rules, otherwise: parsed.otherwise }
}

function toRegistration(
  parsed: ParsedOAuth2['upstream_clients'],
  exchanges: boolean,
): { readonly registration?: RegistrationRules } {
  if (parsed?.mode !== 'mirrored') return {}
  const { registration_endpoint: endpoint, initial_access_token: initialAccessToken } = parsed
  return {
    registration: {
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(initialAccessToken === undefined ? {} : { initialAccessToken }),
      exchanges,
    },
  }
}

function toMatch(match: Extract<ParsedOAuth2['upstream_clients'], { mode: 'mapped' }>['rules'][number]['match']) {
  const { client_id, client_id_host, redirect_host, client_name } = match
  return {
    ...(client_id === undefined ? {} : { clientId: client_id }),
    ...(client_id_host === undefined ? {} : { clientIdHost: client_id_host }),
    ...(redirect_host === undefined ? {} : { redirectHost: redirect_host }),
    ...(client_name === undefined ? {} : { clientName: client_name }),
  }
}

function toOAuth2(parsed: ParsedOAuth2) {
  const { revocation } = parsed
  return {
    authorizationEndpoint: parsed.authorization_endpoint,
    tokenEndpoint: parsed.token_endpoint,
    scopeSeparator: parsed.scope_separator,
    scopeParameter: parsed.scope_parameter,
    pkce: parsed.pkce,
    clientAuthentication: parsed.client_authentication,
    tokenRequest: parsed.token_request,
    tokenAnswer: toTokenAnswer(parsed.token_answer),
    identity: toIdentity(parsed.identity),
    ...(revocation ? { revocation } : {}),
  }
}

function toTokenAnswer(parsed: ParsedOAuth2['token_answer']) {
  const { member, refresh_member: refreshMember } = parsed
  return {
    ...(member === undefined ? {} : { member }),
    ...(refreshMember === undefined ? {} : { refreshMember }),
    tokenTypes: parsed.token_types,
    formEncoded: parsed.form_encoded,
    deadCodes: parsed.dead_codes,
    passingCodes: parsed.passing_codes,
  }
}

function toIdentity(parsed: ParsedOAuth2['identity']) {
  const { email, email_verified: verified, groups } = parsed
  const requests = Object.entries(parsed.requests).map(([name, { body, ...request }]) => {
    return [name, { ...request, ...(body === undefined ? {} : { body }) }] as const
  })
  return {
    requests: Object.fromEntries(requests),
    subject: parsed.subject,
    name: parsed.name,
    ...(email === undefined ? {} : { email }),
    ...(verified === undefined || verified === 'always' ? {} : { emailVerified: verified }),
    ...(groups === undefined ? {} : { groups }),
  }
}

function toRefresh({ issued, rotates, grace = 0 }: ParsedOAuth2['refresh']): RefreshRules {
  return { issued, rotates, graceMs: grace }
}
