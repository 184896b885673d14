import { posix } from 'node:path'

/** A source file, by its path from src/, and the modules it imports. */
export interface SourceFile {
  readonly path: string
  readonly imports: readonly string[]
}

/** The floor of each part of src/; imports only go down. A file directly in src/ is a part of its own. */
const FLOORS: Readonly<Record<string, number>> = {
  domain: 0,
  config: 1,
  storage: 1,
  providers: 1,
  'vault.ts': 1,
  'audit.ts': 1,
  http: 2,
  'upstream-clients': 2,
  'metrics.ts': 2,
  'call-metrics.ts': 2,
  'audit-trail.ts': 2,
  'tracing.ts': 2,
  'otlp-tracing.ts': 2,
  oauth: 3,
  gateway: 3,
  'check-database.ts': 4,
  'clean-up.ts': 4,
  'providers.ts': 4,
  'operations.ts': 4,
  'request-spans.ts': 4,
  'traced-providers.ts': 4,
  'public-listener.ts': 4,
  'route-table.ts': 4,
  'server.ts': 4,
  demo: 5,
  commands: 5,
  'cli.ts': 5,
}

/** Floors whose parts do not know each other. */
const STRANGERS = [1, 3]

/** Where each library may be imported: a part of src/, or one file. */
const HOMES: Readonly<Record<string, readonly string[]>> = {
  'openid-client': ['providers'],
  jose: [
    'vault.ts',
    'gateway/external-token.ts',
    'gateway/issuer-keys.ts',
    'gateway/signing-keys.ts',
    'oauth/client-assertion.ts',
  ],
  'drizzle-orm': ['storage'],
  'better-sqlite3': ['storage'],
  undici: ['http/egress.ts'],
  fastify: [
    'http',
    'oauth',
    'gateway',
    'public-listener.ts',
    'operations.ts',
    'request-spans.ts',
    'route-table.ts',
    'server.ts',
  ],
  '@fastify/cookie': ['http'],
  '@fastify/rate-limit': ['http'],
  yaml: ['config'],
  zod: ['config'],
  'lru-cache': ['gateway', 'http'],
  'prom-client': ['metrics.ts', 'call-metrics.ts'],
  pino: ['audit-trail.ts', 'clean-up.ts', 'public-listener.ts', 'server.ts', 'commands', 'demo'],
  'pino-pretty': ['commands', 'demo'],
  '@opentelemetry/api': ['otlp-tracing.ts'],
  '@opentelemetry/core': ['otlp-tracing.ts'],
  '@opentelemetry/exporter-trace-otlp-proto': ['otlp-tracing.ts'],
  '@opentelemetry/resources': ['otlp-tracing.ts'],
  '@opentelemetry/sdk-trace': ['otlp-tracing.ts'],
  '@modelcontextprotocol/node': ['demo'],
  '@modelcontextprotocol/server': ['demo'],
}

/** The domain is pure. A Secret has to tell `util.inspect` how not to show it, which is no I/O. */
const DOMAIN_MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'node:crypto': ['*'],
  'node:util': ['domain/secret.ts'],
}

/** What is wrong with the imports of these files, one sentence each. */
export function violations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => file.imports.flatMap((module) => violation(file.path, module) ?? []))
}

function violation(path: string, module: string): string | undefined {
  const says = (reason: string) => `${path} imports ${module}: ${reason}`
  const from = partOf(path)
  if (FLOORS[from] === undefined) return says(`${from} stands on no floor; give it one in this test`)
  if (module.startsWith('.')) {
    const target = partOf(posix.normalize(posix.join(posix.dirname(path), module)))
    const reason = floorViolation(from, target)
    return reason && says(reason)
  }
  if (from === 'domain') return domainMayImport(path, module) ? undefined : says('the domain is pure')
  if (module.startsWith('node:')) return undefined
  const library = module.split('/', module.startsWith('@') ? 2 : 1).join('/')
  const homes = HOMES[library]
  if (homes === undefined) return says('the library has no home; give it one in this test')
  return homes.some((home) => home === path || home === from) ? undefined : says(`its home is ${homes.join(', ')}`)
}

function floorViolation(from: string, target: string): string | undefined {
  if (from === target) return undefined
  const [lower, upper] = [FLOORS[target], FLOORS[from]]
  if (lower === undefined || upper === undefined) return `${target} stands on no floor`
  if (lower > upper) return 'an import goes up a floor'
  return lower === upper && STRANGERS.includes(lower) ? 'parts of this floor do not know each other' : undefined
}

function domainMayImport(path: string, module: string): boolean {
  const who = DOMAIN_MAY_IMPORT[module] ?? []
  return who.includes('*') || who.includes(path)
}

/** The first segment: a directory of src/, or a file directly in it. */
function partOf(path: string): string {
  return path.split('/', 1)[0] ?? path
}
