import type { InjectedHeader } from '../domain/header-template.ts'
import type { AllowRule } from '../domain/policy.ts'
import type { Route } from '../domain/route.ts'
import { bearerHeader, toCredential, toHeaders } from './assemble-credential.ts'
import { toMessageRules } from './assemble-message-rules.ts'
import { toProvider } from './assemble-provider.ts'
import type { GatewayConfig, StaticClientConfig, TelemetryConfig } from './gateway-config.ts'
import type { ParsedGateway } from './schema.ts'
import { findWarnings } from './warnings.ts'

type ParsedRoute = ParsedGateway['routes'][string]
type ParsedAllow = NonNullable<ParsedRoute['allow']>

/** The configuration that a file without problems means. Throws when it has no encryption key, which the schema excludes. */
export function assemble(parsed: ParsedGateway): GatewayConfig {
  const [newest, ...older] = parsed.encryption_keys
  if (!newest) throw new Error('no encryption key')
  const routes = Object.entries(parsed.routes).map(([path, route]) => toRoute(parsed.public_url, path, route))
  const exchanges = (name: string) =>
    routes.some(({ credential }) => credential.kind === 'token-exchange' && credential.provider === name)
  return {
    publicUrl: parsed.public_url,
    listen: parsed.listen,
    operations: parsed.operations,
    trustedProxies: parsed.trusted_proxies,
    allowedOrigins: parsed.allowed_origins,
    database: parsed.database,
    encryptionKeys: [newest, ...older],
    providers: Object.entries(parsed.providers).map(([name, provider]) => toProvider(name, provider, exchanges(name))),
    routes,
    clients: {
      registration: parsed.clients.registration,
      approvedRedirects: unique(parsed.clients.approved_redirects ?? []),
      metadataDocuments: {
        enabled: parsed.clients.metadata_documents.enabled,
        allowHosts: unique(parsed.clients.metadata_documents.allow_hosts),
      },
      static: parsed.clients.static.map(toStaticClient),
    },
    consent: parsed.consent.remember === 'never' ? {} : { rememberMs: parsed.consent.remember },
    audit: parsed.audit,
    ...(parsed.telemetry === undefined ? {} : { telemetry: toTelemetry(parsed.telemetry) }),
    limits: {
      registrations: parsed.limits.registrations,
      pages: parsed.limits.pages,
      tokenRequests: parsed.limits.token_requests,
      concurrentPerGrant: parsed.limits.concurrent_per_grant,
      concurrentPerRoute: parsed.limits.concurrent_per_route,
      ...(parsed.limits.concurrent === undefined ? {} : { concurrent: parsed.limits.concurrent }),
      ...(parsed.limits.requests_per_user === undefined ? {} : { requestsPerUser: parsed.limits.requests_per_user }),
      ...(parsed.limits.requests_per_client === undefined
        ? {}
        : { requestsPerClient: parsed.limits.requests_per_client }),
      bodyBytes: parsed.limits.body_bytes,
    },
    tokens: {
      accessTtlMs: parsed.tokens.access_ttl,
      refreshIdleTtlMs: parsed.tokens.refresh_idle_ttl,
      refreshTtlMs: parsed.tokens.refresh_ttl,
      refreshGraceMs: parsed.tokens.refresh_grace,
    },
    warnings: findWarnings(parsed),
  }
}

function toRoute(publicUrl: string, path: string, parsed: ParsedRoute): Route {
  return {
    path,
    resource: publicUrl + path,
    title: parsed.title ?? path.slice(1),
    upstream: parsed.upstream,
    ...(parsed.transport === 'sse' ? { transport: 'sse' } : {}),
    ...(parsed.keep_alive === undefined ? {} : { keepAliveMs: parsed.keep_alive }),
    ...toAuthorization(parsed),
    ...(parsed.allow ? { allow: toAllow(parsed.allow) } : {}),
    credential: toCredential(parsed),
    inject: toInject(parsed),
    ...toMessageRules(parsed),
  }
}

/** Exactly one of the two is there: the checks have seen to it. */
function toAuthorization({ sign_in: signIn, authorization }: ParsedRoute) {
  if (!authorization) return { signIn: signIn ?? '' } as const
  const { issuers, audience, token_types: tokenTypes, groups_claim: groupsClaim } = authorization
  return { authorization: { issuers: unique(issuers), audience, tokenTypes, groupsClaim } }
}

function toAllow(parsed: ParsedAllow): AllowRule {
  return {
    emailDomains: unique((parsed.email_domains ?? []).map((domain) => domain.toLowerCase())),
    groups: unique(parsed.groups ?? []),
    // E-mail addresses compare in lower case; a subject compares as it stands.
    users: unique((parsed.users ?? []).flatMap((user) => (user.includes('@') ? [user.toLowerCase(), user] : [user]))),
  }
}

function toInject(parsed: ParsedRoute): InjectedHeader[] {
  if (parsed.inject) return toHeaders(parsed.inject)
  return parsed.credential.kind === 'none' ? [] : bearerHeader()
}

function toStaticClient(parsed: ParsedGateway['clients']['static'][number]): StaticClientConfig {
  return {
    clientId: parsed.client_id,
    ...(parsed.client_name === undefined ? {} : { clientName: parsed.client_name }),
    redirectUris: unique(parsed.redirect_uris),
    tokenEndpointAuthMethod: parsed.token_endpoint_auth_method ?? 'none',
    ...(parsed.client_secret ? { clientSecret: parsed.client_secret } : {}),
    ...(parsed.jwks ? { keys: { kind: 'jwks', jwks: parsed.jwks } } : {}),
    ...(parsed.jwks_uri === undefined ? {} : { keys: { kind: 'jwks_uri', url: parsed.jwks_uri } }),
  }
}

function toTelemetry(parsed: NonNullable<ParsedGateway['telemetry']>): TelemetryConfig {
  const { otlp_endpoint: endpoint, headers, service_name: serviceName, sample_ratio: sampleRatio } = parsed
  return { endpoint, headers, serviceName, sampleRatio }
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)]
}
