import { setTimeout as sleep } from 'node:timers/promises'
import { type HeldTokens, hasExpired, isStale } from '../domain/credential.ts'
import type { Failpoints } from '../domain/failpoint.ts'
import type { Grant } from '../domain/grant.ts'
import { graceLeft } from '../domain/refresh-intent.ts'
import type { Route } from '../domain/route.ts'
import type { CredentialPurpose, CredentialRow } from '../storage/records.ts'
import { CannotOpen, openTokens } from '../vault.ts'
import type { OpenAccess } from './access-cache.ts'
import { createDurableWrites } from './durable-writes.ts'
import type { Gateway } from './gateway.ts'
import { createRefreshFlights, type FreshToken } from './refresh-flights.ts'
import { createRefreshPace } from './refresh-pace.ts'
import type { ProviderOf, RefreshTask } from './refresh-turn.ts'
import { createStandingTokens } from './standing-tokens.ts'

/** Keeps provider tokens alive: one refresh at a time for each credential, whoever asks and whoever leaves meanwhile. */
export interface FreshCredentials {
  /**
   * The token of an open access. A stale one that still lives is returned at once and refreshed behind the caller's
   * back; an expired one is waited for.
   */
  forAccess(access: OpenAccess): Promise<FreshToken>
  /** After the MCP server refused a token that looked alive: a newer one if there is or can be one. */
  afterRefusal(access: OpenAccess): Promise<FreshToken>
  /** Asks the provider of a sign-in about its user again, where the grant has tokens for that; `ended` with the grant. */
  recheck(grant: Grant): Promise<'kept' | 'ended'>
  /** Presents again what a former process presented without learning the outcome, while the provider's grace lasts. */
  resume(): Promise<void>
  /** Begins nothing by itself any more. Resolves when no refresh is under way. */
  idle(): Promise<void>
  /** Resolves when every token that a provider issued is stored. */
  flushed(): Promise<void>
}

/** What the configuration says about a grant now. */
export interface GrantContext {
  readonly providerOf: ProviderOf
  readonly routeOf: (path: string) => Route | undefined
}

/** A token younger than this that a server refuses is not refreshed again (C19). */
const REFUSED_YOUNG_MS = 30_000
/** A user who was asked about so lately is not asked about again. */
const CHECKED_YOUNG_MS = 60_000
/** The same for one that the MCP server gets, which is refreshed for that alone. */
const CHECKED_UNTOLD_MS = 60 * 60_000
/** How long a caller waits for a refresh, which goes on without it (C25). */
const PATIENCE_MS = 10_000
const RESUMED = 10_000
/** No provider may be said to have a longer one. */
const LONGEST_GRACE_MS = 60 * 60_000

export function createFreshCredentials(
  gateway: Gateway,
  { providerOf, routeOf }: GrantContext,
  failpoint?: Failpoints,
): FreshCredentials {
  const writes = createDurableWrites(() => gateway.logger)
  const pace = createRefreshPace(gateway.now, (provider, isOpen) => {
    gateway.metrics.providerCircuit.set({ provider }, isOpen ? 1 : 0)
  })
  const tools = { gateway, providerOf, pace, writes, ...(failpoint ? { failpoint } : {}) }
  const flights = createRefreshFlights(tools, routeOf)
  const { refresh } = flights
  const standing = createStandingTokens(gateway, pace, routeOf)

  /** One from before the clock was set back is not young until that has caught up. */
  function isYounger({ obtainedAt }: HeldTokens, ms: number): boolean {
    return Math.abs(gateway.now() - obtainedAt) < ms
  }

  /** A flight as seen by one caller, who does not wait for ever. */
  function patiently(flight: Promise<FreshToken>): Promise<FreshToken> {
    return Promise.race([flight, sleep(PATIENCE_MS, { outcome: 'unavailable' } as const, { ref: false })])
  }

  /** Tokens for the MCP server whose end nobody tells are refreshed for no other reason, and then nobody would be asked. */
  async function recheckByServerToken(grant: Grant): Promise<'kept' | 'ended'> {
    const provider = providerOf(grant, 'sign-in')
    const isDecided = routeOf(grant.routePath)?.allow !== undefined || provider?.requiresClaims === true
    if (!isDecided || !provider || providerOf(grant, 'server')?.name !== provider.name) return 'kept'
    const row = await gateway.store.findCredential(grant.id)
    if (row?.state !== 'live' || row.expiresAt !== undefined) return 'kept'
    const owner = { id: row.id, grantId: grant.id, routePath: grant.routePath, provider: provider.name }
    const held = await openTokens(gateway.vault, owner, row.sealed).catch(orUnreadable)
    if (held && !held.refreshToken) return standing.ask(grant, provider, held)
    if (!held || !provider.refresh || isYounger(held, CHECKED_UNTOLD_MS)) return 'kept'
    const { outcome } = await patiently(refresh(taskOf(grant, 'server', row)))
    return outcome === 'ended' ? outcome : 'kept'
  }

  return {
    async forAccess({ grant, credential }) {
      if (credential?.kind !== 'provider-token') return { outcome: 'ended' }
      const { row } = credential
      const tokens = flights.unsaved(row) ?? credential.tokens
      const now = gateway.now()
      if (hasExpired(tokens, now)) return patiently(refresh(taskOf(grant, 'server', row)))
      if (isStale(tokens, row.id, now) && tokens.refreshToken && !flights.isHeldBack(row))
        void refresh(taskOf(grant, 'server', row))
      return { outcome: 'fresh', tokens }
    },
    async afterRefusal({ grant, credential }) {
      if (credential?.kind !== 'provider-token') return { outcome: 'ended' }
      // A token this young will not get better by another refresh: the server refuses for reasons of its own.
      if (isYounger(credential.tokens, REFUSED_YOUNG_MS)) return { outcome: 'unavailable' }
      return patiently(refresh({ ...taskOf(grant, 'server', credential.row), refused: true }))
    },
    async recheck(grant) {
      const row = await gateway.store.findCredential(grant.id, 'sign-in')
      if (!row) return recheckByServerToken(grant)
      if (row.state === 'dead') {
        // Whoever noted that the provider has ended it died before the grant could be ended, too.
        await gateway.grantEnds.end(grant, { reason: 'sign_in_ended' })
        return 'ended'
      }
      const provider = providerOf(grant, 'sign-in')
      if (!provider) return 'kept'
      const owner = { id: row.id, grantId: grant.id, routePath: grant.routePath, provider: provider.name }
      const held = await openTokens(gateway.vault, owner, row.sealed).catch(orUnreadable)
      if (!held) {
        // Sealed with a key that was taken out: nobody could ever be asked about this user again.
        await gateway.grantEnds.end(grant, { reason: 'sign_in_unreadable' })
        return 'ended'
      }
      if (!held.refreshToken) return standing.ask(grant, provider, held)
      if (!provider.refresh || isYounger(held, CHECKED_YOUNG_MS)) return 'kept'
      const { outcome } = await patiently(refresh(taskOf(grant, 'sign-in', row)))
      return outcome === 'ended' ? outcome : 'kept'
    },
    async resume() {
      const since = gateway.now() - LONGEST_GRACE_MS
      for (const { grantId, purpose, presentedAt } of await gateway.store.findInterrupted(RESUMED, since)) {
        const grant = await gateway.store.findGrant(grantId)
        const row = await gateway.store.findCredential(grantId, purpose)
        const rules = grant && providerOf(grant, purpose)?.refreshRules
        if (grant?.status !== 'active' || !row || graceLeft(rules, presentedAt, gateway.now()) === 0) continue
        void refresh(taskOf(grant, purpose, row), true)
      }
    },
    idle: flights.idle,
    flushed: writes.flushed,
  }
}

function taskOf(grant: Grant, purpose: CredentialPurpose, { id, version }: CredentialRow): RefreshTask {
  return { grant, purpose, credentialId: id, seenVersion: version, refused: false }
}

function orUnreadable(error: unknown): undefined {
  if (!(error instanceof CannotOpen)) throw error
}
