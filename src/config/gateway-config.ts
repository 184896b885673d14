import type { TokenEndpointAuthMethod } from '../domain/client.ts'
import type { PublicKeys } from '../domain/client-keys.ts'
import type {
  OAuth2Profile,
  RefreshRules,
  RegistrationRules,
  RequiredClaims,
  RevocationReach,
} from '../domain/provider-profile.ts'
import type { Route } from '../domain/route.ts'
import type { Secret } from '../domain/secret.ts'
import type { TokenExchangeStyle } from '../domain/token-exchange.ts'
import type { UpstreamClientRules } from '../domain/upstream-client.ts'

/** A validated gateway.yaml: every value parsed, every reference resolved, every duration in ms. */
export interface GatewayConfig {
  /** The issuer (RFC 8414 §2): scheme, host and port only, no trailing slash. */
  readonly publicUrl: string
  readonly listen: ListenAddress
  readonly operations: { readonly listen: ListenAddress }
  /** Peers (addresses or CIDRs) whose X-Forwarded-For is believed; empty by default. */
  readonly trustedProxies: readonly string[]
  /** Browser origins that may call the routes besides loopback ones and our own. */
  readonly allowedOrigins: readonly string[]
  readonly database: { readonly kind: 'sqlite'; readonly file: string }
  /** The newest first. */
  readonly encryptionKeys: readonly [Secret, ...Secret[]]
  readonly providers: readonly ProviderConfig[]
  readonly routes: readonly Route[]
  readonly clients: {
    readonly registration: 'open' | 'approved' | 'off'
    /** Redirect URIs, origins and schemes that clients may register when registration is `approved`. */
    readonly approvedRedirects: readonly string[]
    /** Clients whose id is the address of a metadata document; `allowHosts` empty: any public host. */
    readonly metadataDocuments: { readonly enabled: boolean; readonly allowHosts: readonly string[] }
    readonly static: readonly StaticClientConfig[]
  }
  readonly tokens: {
    readonly accessTtlMs: number
    readonly refreshIdleTtlMs: number
    readonly refreshTtlMs: number
    readonly refreshGraceMs: number
  }
  readonly limits: LimitsConfig
  /** How long an approval may be remembered; absent: every authorization asks. */
  readonly consent: { readonly rememberMs?: number }
  readonly audit: {
    readonly destination: { readonly kind: 'log' } | { readonly kind: 'file'; readonly file: string }
    /** Whether every call is noted, or only what is decided about people and tokens. */
    readonly calls: boolean
  }
  /** Where traces go; absent: nowhere. */
  readonly telemetry?: TelemetryConfig
  /** What is allowed but deserves a line in the log at start. */
  readonly warnings: readonly string[]
}

export interface TelemetryConfig {
  /** Base of an OTLP/HTTP receiver, without `/v1/traces`. */
  readonly endpoint: string
  readonly headers: Readonly<Record<string, Secret>>
  readonly serviceName: string
  /** Share of the traces that are kept, 0 to 1. */
  readonly sampleRatio: number
}

/** What one caller may use up. */
export interface LimitsConfig {
  /** A minute, from one address, as are `pages` and `tokenRequests`. */
  readonly registrations: number
  readonly pages: number
  readonly tokenRequests: number
  /** Requests and streams that are open at once. */
  readonly concurrentPerGrant: number
  readonly concurrentPerRoute: number
  /** On all routes together; absent: what the memory holds. */
  readonly concurrent?: number
  /** A minute, to all routes together; absent: any number. */
  readonly requestsPerUser?: number
  readonly requestsPerClient?: number
  /** The largest request to an MCP server, in bytes. */
  readonly bodyBytes: number
}

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

export type ProviderConfig =
  | {
      readonly type: 'oidc'
      readonly name: string
      readonly issuer: string
      readonly clientId: string
      readonly clientSecret?: Secret
      readonly upstreamClients: UpstreamClientRules
      /** Present when clients are mirrored. */
      readonly registration?: RegistrationRules
      readonly scopes: readonly string[]
      /** Claim that lists groups. */
      readonly groupsClaim: string
      /** Further parameters of the authorization request; an empty one leaves a default out. */
      readonly authorizationParameters: Readonly<Record<string, string>>
      /** A claim that vouches for the e-mail address instead of `email_verified`. */
      readonly emailVerifiedClaim?: string
      readonly requiredClaims: RequiredClaims
      readonly refresh: RefreshRules
      readonly revocationEnds: RevocationReach
      readonly tokenExchange: TokenExchangeStyle
    }
  | ({
      readonly type: 'oauth2'
      readonly name: string
      readonly clientId: string
      readonly clientSecret?: Secret
      readonly upstreamClients: UpstreamClientRules
      readonly registration?: RegistrationRules
    } & OAuth2Profile)
  | {
      readonly type: 'password'
      readonly name: string /** scrypt hashes by user name */
      readonly users: ReadonlyMap<string, Secret>
    }

export interface StaticClientConfig {
  readonly clientId: string
  readonly clientName?: string
  readonly redirectUris: readonly string[]
  readonly tokenEndpointAuthMethod: TokenEndpointAuthMethod
  readonly clientSecret?: Secret
  /** Present for `private_key_jwt`. */
  readonly keys?: PublicKeys
}

/** One thing wrong with a configuration file: where it is, what is wrong, what to write instead. Never holds a secret. */
export interface ConfigProblem {
  /** 1-based line in the file. */
  readonly line: number
  /** Such as `routes./github.credential.kind`; empty for the file as a whole. */
  readonly path: string
  readonly problem: string
  readonly fix: string
}
