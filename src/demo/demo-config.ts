import type { GatewayConfig } from '../config/gateway-config.ts'
import type { InjectedHeader } from '../domain/header-template.ts'
import { parseHeaderTemplate } from '../domain/header-template.ts'
import { DEFAULT_SCOPE } from '../domain/scope.ts'
import type { Secret } from '../domain/secret.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

/** The one user of the demo. */
export const DEMO_USER = 'demo'

/** The gateway in front of the demo MCP server: one route, one user, one personal access token that everybody shares. */
export function demoConfig(demo: {
  readonly port: number
  readonly upstream: URL
  readonly personalAccessToken: Secret
  readonly encryptionKey: Secret
  readonly databaseFile: string
  readonly passwordHash: Secret
}): GatewayConfig {
  const publicUrl = `http://localhost:${demo.port}`
  return {
    publicUrl,
    listen: { host: '127.0.0.1', port: demo.port },
    operations: { listen: { host: '127.0.0.1', port: 0 } },
    trustedProxies: [],
    allowedOrigins: [],
    database: { kind: 'sqlite', file: demo.databaseFile },
    encryptionKeys: [demo.encryptionKey],
    providers: [{ type: 'password', name: 'demo', users: new Map([[DEMO_USER, demo.passwordHash]]) }],
    routes: [
      {
        path: '/mcp',
        resource: `${publicUrl}/mcp`,
        title: 'Demo MCP server',
        upstream: demo.upstream,
        signIn: 'demo',
        credential: { kind: 'static', value: demo.personalAccessToken },
        inject: [inject('authorization', 'Bearer {credential}'), inject('x-gatehouse-user', '{user.sub}')],
        scopes: [DEFAULT_SCOPE],
      },
    ],
    clients: {
      registration: 'open',
      approvedRedirects: [],
      metadataDocuments: { enabled: true, allowHosts: [] },
      static: [],
    },
    tokens: {
      accessTtlMs: 60 * MINUTE_MS,
      refreshIdleTtlMs: 30 * DAY_MS,
      refreshTtlMs: 180 * DAY_MS,
      refreshGraceMs: MINUTE_MS,
    },
    limits: {
      registrations: 600,
      pages: 600,
      tokenRequests: 6000,
      concurrentPerGrant: 1000,
      concurrentPerRoute: 10_000,
      bodyBytes: 32 * 1024 * 1024,
    },
    consent: {},
    audit: { destination: { kind: 'log' }, calls: false },
    warnings: [],
  }
}

function inject(name: string, text: string): InjectedHeader {
  const template = parseHeaderTemplate(text)
  if (!template.ok) throw new Error(template.failure)
  return { name, template: template.value }
}
