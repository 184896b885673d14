import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { openAuditTrail } from './audit-trail.ts'
import { checkDatabase } from './check-database.ts'
import { startCleanUp } from './clean-up.ts'
import type { GatewayConfig, ListenAddress } from './config/gateway-config.ts'
import { isLoopbackHost } from './config/network.ts'
import type { Failpoints } from './domain/failpoint.ts'
import { hasSignIn } from './domain/route.ts'
import { createAccessCache } from './gateway/access-cache.ts'
import { createCallNotes } from './gateway/call-notes.ts'
import { createConcurrency } from './gateway/concurrency.ts'
import { createCrossOrigin } from './gateway/cross-origin.ts'
import type { Forwarding } from './gateway/delivery.ts'
import { createExchangedTokens } from './gateway/exchanged-token.ts'
import { createExternalTokens } from './gateway/external-token.ts'
import { createForwarder } from './gateway/forward.ts'
import { createFreshCredentials } from './gateway/fresh-credential.ts'
import type { Gateway } from './gateway/gateway.ts'
import { bodyBytesThatFit, concurrencyThatFits, memoryOfProcess } from './gateway/memory-share.ts'
import { createRequestRates } from './gateway/request-rates.ts'
import { createSignedJwt } from './gateway/signed-jwt.ts'
import { createSigningKeys } from './gateway/signing-keys.ts'
import { tracedCalls } from './gateway/traced-calls.ts'
import { tracedForwarder } from './gateway/traced-forwarder.ts'
import { createBrowserProof } from './http/browser-proof.ts'
import { createEgress } from './http/egress.ts'
import { createRememberedConsent } from './http/remembered-consent.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import type { AuthorizationServer } from './oauth/authorization-server.ts'
import { createClientKeys } from './oauth/client-keys.ts'
import { createMetadataClients } from './oauth/metadata-clients.ts'
import { discardEnded } from './oauth/sign-in-tokens.ts'
import { staticClients } from './oauth/static-clients.ts'
import { createOperationsListener } from './operations.ts'
import { REFRESH_MS } from './providers/deadline.ts'
import { probePat } from './providers/pat.ts'
import { clientsOf, createProviders, grantContext } from './providers.ts'
import { createPublicListener } from './public-listener.ts'
import { mountTable } from './route-table.ts'
import { openSqliteStore } from './storage/sqlite.ts'
import type { Store } from './storage/store.ts'
import { tracedProviders } from './traced-providers.ts'
import { createGrantEnds } from './upstream-clients/grant-ends.ts'
import { createMirroredClients } from './upstream-clients/mirrored-clients.ts'
import { createUpstreamClients, mirroredPlaces } from './upstream-clients/upstream-clients.ts'
import { createVault } from './vault.ts'

/** A gateway that is listening. */
export interface RunningGateway {
  /** Stops accepting, lets what is under way finish, ends streams between two events, and closes the database. */
  close(): Promise<void>
}

export interface GatewayTools {
  readonly logger: Logger
  readonly lostLogLines?: () => number
  /** Only for gateways on this computer, see commands/failpoints.ts. */
  readonly failpoint?: Failpoints | undefined
}

/** Access tokens whose look-up is remembered; about 2 KB each. */
const CACHED_TOKENS = 10_000
/** How long `close` waits for requests and streams before it cuts them. */
const DRAIN_MS = 10_000
/** What was cut then has been told so by the end of this. */
const LAST_WORDS_MS = 1000
/** How often connections are closed meanwhile whose request has been answered. */
const TIDY_MS = 50
/** How long it then waits for refreshes at providers, whose new tokens would be lost without the database: longer than any takes. */
const REFRESHES_MS = REFRESH_MS + 1000

/**
 * Opens the database, wires everything and listens; `lostLogLines` is shown among the metrics. Rejects with StoreRefused (the message says what to do), or with
 * Node's error when an address cannot be listened on; nothing is left open then.
 */
export async function startGateway(
  config: GatewayConfig,
  { logger, lostLogLines = () => 0, failpoint }: GatewayTools,
): Promise<RunningGateway> {
  for (const warning of config.warnings) logger.warn(warning)
  const trail = await openAuditTrail(config.audit.destination, logger)
  const store = await openSqliteStore({ file: config.database.file }).catch(async (error: unknown) => {
    await trail.close()
    throw error
  })
  const vault = createVault(config.encryptionKeys)
  const metrics = createMetrics({ lostLogLines, lostAuditEvents: trail.lost })
  const { audit } = trail
  const tracing = await startTracing(config, metrics, logger)
  const providers = tracing ? tracedProviders(createProviders(config), tracing) : createProviders(config)
  const cache = createAccessCache(CACHED_TOKENS)
  const untraced = createForwarder({ maxBodyBytes: config.limits.bodyBytes })
  const forwarder = tracing ? tracedForwarder(untraced, tracing) : untraced
  const now = Date.now
  const warn = (facts: object, message: string) => logger.warn(facts, message)
  const base = { issuer: config.publicUrl, store, vault, audit, metrics, now, warn }
  const ownClients = clientsOf(config, providers)
  const mirroredClients = createMirroredClients({
    ...base,
    places: mirroredPlaces(ownClients),
    declared: config.clients.static.map(({ clientId }) => clientId),
  })
  const upstreamClients = createUpstreamClients(ownClients, mirroredClients)
  const { routeOf, providerOf } = grantContext(config, providers)
  const grantEnds = createGrantEnds({ ...base, upstreamClients, routeOf })
  const shared = { ...base, providers, upstreamClients, grantEnds }
  const rememberMs = config.consent.rememberMs
  const browserProof = createBrowserProof(vault.browserProofKeys, config.publicUrl.startsWith('https:'), rememberMs)
  const server: AuthorizationServer = {
    ...shared,
    routes: config.routes.filter(hasSignIn),
    mirroredClients,
    staticClients: staticClients(config.clients.static),
    ...publishedClients(config, store, now),
    lifetimes: config.tokens,
    browserProof,
    probePat,
    recheckUser: (grant) => credentials.recheck(grant),
    ...(failpoint ? { failpoint } : {}),
    ...(rememberMs === undefined
      ? {}
      : { rememberedConsent: createRememberedConsent(vault.browserProofKeys, browserProof, rememberMs, now) }),
    ...(config.clients.registration === 'approved' ? { approvedRedirects: config.clients.approvedRedirects } : {}),
  }
  const signingKeys = createSigningKeys(vault, store.rememberOnce, now)
  const gateway: Gateway = { ...shared, cache, externalTokens: createExternalTokens(now), logger, tracing }
  const credentials = createFreshCredentials(gateway, { providerOf, routeOf }, failpoint)
  const exchanged = createExchangedTokens(gateway, credentials)
  const calls = createCallNotes({
    audit,
    digestKey: vault.callDigestKey,
    staticClients: new Set(config.clients.static.map(({ clientId }) => clientId)),
    everyCall: config.audit.calls,
    now,
  })
  const hasPasswords = config.providers.some(({ type }) => type === 'password')
  const forwarding: Forwarding = {
    crossOrigin: createCrossOrigin(config.publicUrl, config.allowedOrigins),
    forwarder,
    concurrency: createConcurrency({
      ...config.limits,
      concurrent: config.limits.concurrent ?? concurrencyThatFits(memoryOfProcess(), hasPasswords),
      bodyBytesAtOnce: bodyBytesThatFit(memoryOfProcess()),
    }),
    rates: createRequestRates(config.limits),
    maxBodyBytes: config.limits.bodyBytes,
    calls: tracing ? tracedCalls(calls, tracing) : calls,
    signedJwt: createSignedJwt(config.publicUrl, signingKeys, now),
    credentials,
    exchanged,
  }
  store.subscribe((change) => {
    cache.apply(change)
    // Rights that end take their streams with them.
    if (change.kind === 'grant') {
      exchanged.drop(change.grantId)
      forwarder.endStreams((owner) => owner === change.grantId)
    } else if (change.kind === 'access') forwarder.endStreams((_, token) => token === change.hash)
  })

  const app = await createPublicListener(config, logger, metrics, tracing)
  await mountTable(app, config, server, gateway, forwarding, signingKeys)
  let draining = false
  const operations = createOperationsListener({
    metrics,
    ready: async () => {
      if (draining) throw new Error('draining')
      await store.ping()
    },
  })
  const stopCleanUp = startCleanUp({
    store,
    mirrored: mirroredClients,
    onEnded: (ended) => discardEnded(server, ended),
    now,
    idleMs: config.tokens.refreshIdleTtlMs,
    logger,
  })

  async function close(): Promise<void> {
    draining = true
    stopCleanUp()
    const closed = app.close()
    // Also for those that are not forwarded yet, because their body or their credential is on its way.
    const cut = setTimeout(() => app.server.closeAllConnections(), DRAIN_MS + LAST_WORDS_MS)
    const tidy = setInterval(() => app.server.closeIdleConnections(), TIDY_MS)
    await forwarder.drain(DRAIN_MS)
    await closed
    clearInterval(tidy)
    clearTimeout(cut)
    await Promise.race([forwarding.credentials.idle(), sleep(REFRESHES_MS, undefined, { ref: false })])
    // C15: only we have them, and whoever ends us nevertheless leaves the note that they are on their way.
    await forwarding.credentials.flushed()
    await grantEnds.drain()
    // Calls are noted a turn after their answers have gone.
    await setImmediate()
    await Promise.all([operations.close(), forwarder.close(), trail.close(), tracing?.close()])
    await store.close()
  }

  try {
    await checkDatabase(store, vault, config.providers)
    const listen = await listenOn(app, config.listen)
    const operationsListen = await listenOn(operations, config.operations.listen)
    logger.info({ publicUrl: config.publicUrl, listen, operations: operationsListen }, 'listening')
    credentials
      .resume()
      .catch((error: unknown) => logger.error({ err: error }, 'interrupted refreshes were not resumed'))
  } catch (error) {
    await close()
    throw error
  }
  return { close }
}

/** The libraries take time and memory, so they are loaded only where traces are wanted. */
async function startTracing({ telemetry }: GatewayConfig, metrics: Metrics, logger: Logger) {
  if (!telemetry) return undefined
  const { openTracing } = await import('./otlp-tracing.ts')
  let failing = false
  return openTracing({
    ...telemetry,
    onExport(outcome, spans) {
      metrics.spans.inc({ outcome }, spans)
      if (outcome === 'failed' && !failing) logger.warn('the collector does not take traces; requests go on without')
      failing = outcome === 'failed'
    },
  })
}

/** What clients publish about themselves is read through one guarded client (MCP security best practices: SSRF). */
function publishedClients(config: GatewayConfig, store: Store, now: () => number) {
  const { enabled, allowHosts } = config.clients.metadataDocuments
  // Only a gateway on this computer may be asked to look at this computer.
  const egress = createEgress({
    loopbackHosts: isLoopbackHost(new URL(config.publicUrl).hostname) ? allowHosts : [],
    now,
  })
  const metadataClients = enabled ? { metadataClients: createMetadataClients({ egress, store, allowHosts, now }) } : {}
  return { ...metadataClients, clientKeys: createClientKeys({ egress, ...metadataClients, now }) }
}

/** Listens and says where, as `host:port`. */
async function listenOn(app: FastifyInstance, address: ListenAddress): Promise<string> {
  await app.listen({ host: address.host, port: address.port, listenTextResolver: (bound) => `bound to ${bound}` })
  const bound = app.server.address()
  if (bound === null || typeof bound === 'string') return `${address.host}:${address.port}`
  return bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`
}
