import { z } from 'zod'
import { ok } from '../domain/result.ts'
import { parseAuditDestination } from './audit-destination.ts'
import { parseDatabase } from './database.ts'
import { parseDuration } from './duration.ts'
import { parseListenAddress, parseOperationsAddress } from './listen-address.ts'
import { parseTrustedProxy } from './network.ts'
import { OAuth2ProviderSchema, OidcProviderSchema, PasswordProviderSchema } from './provider-schema.ts'
import { RouteSchema } from './route-schema.ts'
import { StaticClientSchema } from './static-client-schema.ts'
import { TelemetrySchema } from './telemetry-schema.ts'
import { duration, encryptionKey, text } from './text-schema.ts'
import { parseAllowedOrigin, parseApprovedRedirect, parseDocumentHost, parsePublicUrl } from './web-address.ts'

const TokensSchema = z.strictObject({
  access_ttl: duration('24h')
    .meta({ description: 'How long an access token works.', examples: ['1h'] })
    .prefault('1h'),
  refresh_idle_ttl: duration('365d')
    .meta({ description: 'How long a refresh token waits for its use.', examples: ['30d'] })
    .prefault('30d'),
  refresh_ttl: duration('365d')
    .meta({ description: 'When a user must sign in again, however active.', examples: ['180d'] })
    .prefault('180d'),
  refresh_grace: duration('10m')
    .meta({ description: 'How long the previous refresh token still gets the same answer (lost answers, races).' })
    .meta({ examples: ['60s'] })
    .prefault('60s'),
})

const ClientsSchema = z.strictObject({
  registration: z
    .enum(['open', 'approved', 'off'])
    .meta({ description: 'Whether MCP clients may register themselves (RFC 7591).', examples: ['open'] })
    .prefault('open'),
  approved_redirects: z
    .array(text(parseApprovedRedirect).meta({ examples: ['https://claude.ai', 'http://localhost', 'cursor:'] }))
    .min(1)
    .meta({ description: 'With registration: approved, where answers may go: redirect URIs, origins or schemes.' })
    .optional(),
  metadata_documents: z
    .strictObject({
      enabled: z
        .boolean()
        .meta({ description: 'Whether clients may be named by the https address of a metadata document.' })
        .meta({ examples: ['true'] })
        .prefault(true),
      allow_hosts: z
        .array(text(parseDocumentHost).meta({ examples: ['claude.ai'] }))
        .meta({ description: 'The only hosts whose documents count; empty: any public host.' })
        .prefault([]),
    })
    .meta({ description: 'Clients whose id is the address of a metadata document (CIMD).' })
    .prefault({}),
  static: z.array(StaticClientSchema).meta({ description: 'Clients that you declare yourself.' }).prefault([]),
})

const perMinute = (description: string, normally: number) =>
  z
    .int()
    .min(1)
    .max(1_000_000)
    .meta({ description, examples: [normally] })
    .prefault(normally)

const requestsOf = (whom: string) =>
  z
    .int()
    .min(1)
    .max(1_000_000)
    .meta({
      description: `Requests a minute of ${whom}, to all routes together. Absent: any number.`,
      examples: [6000],
    })
    .optional()

const atOnce = (whose: string, normally: number) =>
  z
    .int()
    .min(1)
    .max(1_000_000)
    .meta({ description: `Requests and streams that are open at once under ${whose}.`, examples: [normally] })
    .prefault(normally)

const LimitsSchema = z.strictObject({
  registrations: perMinute('A minute, from one address: POST /register and the management of clients.', 600),
  pages: perMinute('A minute, from one address: /authorize, /consent and /callback.', 600),
  token_requests: perMinute('A minute, from one address: /token, /revoke and /introspect.', 6000),
  concurrent_per_grant: atOnce('one authorization: one user with one client', 1000),
  concurrent_per_route: atOnce('one route', 10_000),
  concurrent: z
    .int()
    .min(1)
    .max(1_000_000)
    .meta({
      description:
        'Requests and streams that are open at once on all routes. Default: as many as the memory of the container or machine holds, 1024 in 256 MiB.',
      examples: [1024],
    })
    .optional(),
  requests_per_user: requestsOf('one user'),
  requests_per_client: requestsOf('one client, whoever uses it'),
  body_bytes: z
    .int()
    .min(64 * 1024)
    .max(1024 * 1024 * 1024)
    .meta({ description: 'The largest request to an MCP server, in bytes; 65536 at least.', examples: [33_554_432] })
    .prefault(33_554_432),
})

/** gateway.yaml, shape and values: the one source of the checks, of the types and of config/gateway.schema.json. */
export const GatewaySchema = z
  .strictObject({
    public_url: text(parsePublicUrl).meta({
      description: 'Issuer and base of every URL that is published; https, or http on loopback; no slash at the end.',
      examples: ['https://mcp.example.com'],
    }),
    listen: text(parseListenAddress)
      .meta({ description: 'Where clients and browsers come in.', examples: ['127.0.0.1:8080'] })
      .prefault('127.0.0.1:8080'),
    operations: z
      .strictObject({
        listen: text(parseOperationsAddress)
          .meta({ description: 'One interface, never all of them.', examples: ['127.0.0.1:9090'] })
          .prefault('127.0.0.1:9090'),
      })
      .meta({ description: '/healthz, /readyz and /metrics; never on the public listener.' })
      .prefault({}),
    trusted_proxies: z
      .array(text(parseTrustedProxy).meta({ examples: ['10.0.0.0/8'] }))
      .meta({ description: 'Addresses or CIDRs of your reverse proxies, whose X-Forwarded-For is believed.' })
      .prefault([]),
    allowed_origins: z
      .array(text(parseAllowedOrigin).meta({ examples: ['https://app.example.com'] }))
      .meta({ description: 'Web origins that may call the routes, besides loopback ones and our own.' })
      .prefault([]),
    database: text(parseDatabase)
      .meta({
        description: 'sqlite:FILE, relative to the working directory.',
        examples: ['sqlite:data/gatehouse.db'],
      })
      .prefault('sqlite:data/gatehouse.db'),
    encryption_keys: z
      .array(encryptionKey.meta({ examples: [`\${env:GATEHOUSE_KEY}`] }))
      .min(1)
      .meta({
        description: 'Keys from `gatehouse new-key`, newest first: the first seals, all open.',
        examples: [[`\${env:GATEHOUSE_KEY}`]],
      }),
    providers: z
      .record(
        z.string().meta({ pattern: '^[a-z0-9][a-z0-9_-]{0,63}$' }),
        z.discriminatedUnion('type', [OidcProviderSchema, OAuth2ProviderSchema, PasswordProviderSchema]),
      )
      .meta({ description: 'Where people sign in, by a name of your choice.', examples: ['corp: { type: oidc, … }'] }),
    routes: z.record(z.string().meta({ pattern: '^(/[A-Za-z0-9._~-]+)+$' }), RouteSchema).meta({
      description: 'The protected MCP servers, by public path.',
      examples: ['/github: { upstream: http://127.0.0.1:8082/mcp, … }'],
    }),
    clients: ClientsSchema.meta({ description: 'Who may be an MCP client.' }).prefault({}),
    tokens: TokensSchema.meta({ description: 'How long our tokens live.' }).prefault({}),
    consent: z
      .strictObject({
        remember: text<number | 'never'>((value) => (value === 'never' ? ok('never') : parseDuration(value, '90d')))
          .meta({ description: 'never, or for how long a browser is not asked the same again.', examples: ['never'] })
          .prefault('never'),
      })
      .meta({ description: 'The consent page.' })
      .prefault({}),
    limits: LimitsSchema.meta({
      description:
        'What one caller may use up. The first three are requests a minute from one address: behind a proxy, set trusted_proxies, or all users count as one.',
    }).prefault({}),
    audit: z
      .strictObject({
        destination: text(parseAuditDestination)
          .meta({ description: 'stdout (among the log lines) or file:PATH.', examples: ['stdout'] })
          .prefault('stdout'),
        calls: z
          .boolean()
          .meta({
            description: 'Whether every call is noted: user, client, method, tool, status, sizes, never arguments.',
            examples: ['true'],
          })
          .prefault(false),
      })
      .meta({ description: 'The audit trail: one JSON line for each fact.' })
      .prefault({}),
    telemetry: TelemetrySchema.optional(),
  })
  .meta({ title: 'gateway.yaml', description: 'Configuration of Gatehouse (package mcp-gatehouse).' })

/** What {@link GatewaySchema} makes of a file without problems. */
export type ParsedGateway = z.output<typeof GatewaySchema>
