import type { FastifyBaseLogger } from 'fastify'
import type { Audit } from '../audit.ts'
import type { Metrics } from '../metrics.ts'
import type { Provider } from '../providers/provider.ts'
import type { Store } from '../storage/store.ts'
import type { Tracing } from '../tracing.ts'
import type { GrantEnds } from '../upstream-clients/grant-ends.ts'
import type { UpstreamClients } from '../upstream-clients/upstream-clients.ts'
import type { Vault } from '../vault.ts'
import type { AccessCache } from './access-cache.ts'
import type { ExternalTokens } from './external-token.ts'

/** What the protected resource works with; built once, at start. */
export interface Gateway {
  /** The issuer (RFC 8414 §2), for challenges. */
  readonly issuer: string
  readonly providers: ReadonlyMap<string, Provider>
  readonly upstreamClients: UpstreamClients
  readonly grantEnds: GrantEnds
  readonly store: Store
  readonly vault: Vault
  readonly cache: AccessCache
  /** For routes that take tokens of other authorization servers. */
  readonly externalTokens: ExternalTokens
  readonly audit: Audit
  readonly metrics: Metrics
  /** Absent: nobody traces. */
  readonly tracing?: Tracing | undefined
  readonly logger: FastifyBaseLogger
  /** ms since 1970. */
  readonly now: () => number
}
