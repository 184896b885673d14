import type { Audit } from '../audit.ts'
import type { Client } from '../domain/client.ts'
import type { PatProbe } from '../domain/credential.ts'
import type { Failpoints } from '../domain/failpoint.ts'
import type { Grant } from '../domain/grant.ts'
import type { SignInRoute } from '../domain/route.ts'
import type { Secret } from '../domain/secret.ts'
import type { BrowserProof } from '../http/browser-proof.ts'
import type { RememberedConsent } from '../http/remembered-consent.ts'
import type { Metrics } from '../metrics.ts'
import type { ProbeOutcome } from '../providers/pat.ts'
import type { Provider } from '../providers/provider.ts'
import type { Store } from '../storage/store.ts'
import type { GrantEnds } from '../upstream-clients/grant-ends.ts'
import type { MirroredClients } from '../upstream-clients/mirrored-clients.ts'
import type { UpstreamClients } from '../upstream-clients/upstream-clients.ts'
import type { Vault } from '../vault.ts'
import type { ClientKeys } from './client-keys.ts'
import type { MetadataClients } from './metadata-clients.ts'

/** What every endpoint of the authorization server works with; built once, at start. */
export interface AuthorizationServer {
  /** The issuer (RFC 8414 §2), also the base of every URL we publish. */
  readonly issuer: string
  readonly routes: readonly SignInRoute[]
  readonly providers: ReadonlyMap<string, Provider>
  readonly upstreamClients: UpstreamClients
  readonly grantEnds: GrantEnds
  readonly mirroredClients: Pick<MirroredClients, 'clientGone'>
  readonly staticClients: ReadonlyMap<string, Client>
  /** Absent when no client may be named by a metadata document. */
  readonly metadataClients?: MetadataClients
  readonly clientKeys: ClientKeys
  /** What clients may register, see refuseUnapproved; absent when registration is open to all. */
  readonly approvedRedirects?: readonly string[]
  readonly lifetimes: {
    readonly accessTtlMs: number
    readonly refreshIdleTtlMs: number
    readonly refreshTtlMs: number
    readonly refreshGraceMs: number
  }
  readonly store: Store
  readonly vault: Vault
  readonly browserProof: BrowserProof
  /** Tries a user's own token where it should work. */
  readonly probePat: (probe: PatProbe, token: Secret) => Promise<ProbeOutcome>
  /** Absent when every authorization asks. */
  readonly rememberedConsent?: RememberedConsent
  /** Asks the provider of a grant's sign-in about its user again, where that is needed; `ended` when the grant has ended. */
  readonly recheckUser: (grant: Grant) => Promise<'kept' | 'ended'>
  /** Only in tests. */
  readonly failpoint?: Failpoints
  readonly audit: Audit
  readonly metrics: Metrics
  /** ms since 1970. */
  readonly now: () => number
}

/** RFC 6749 §4.1.2 recommends ten minutes at most; a redirect takes seconds. */
export const CODE_TTL_MS = 60_000
