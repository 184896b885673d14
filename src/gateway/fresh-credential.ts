import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { auditedUpstreamClient } from '../audit.ts'
import { type HeldTokens, hasExpired, isStale } from '../domain/credential.ts'
import type { Grant } from '../domain/grant.ts'
import type { IssuedTo } from '../domain/upstream-client.ts'
import type { Provider, RefreshOutcome } from '../providers/provider.ts'
import type { CredentialRow } from '../storage/store.ts'
import type { ActingProvider } from '../upstream-clients/upstream-clients.ts'
import { openTokens, sealTokens } from '../vault.ts'
import type { OpenAccess } from './access-cache.ts'
import type { Gateway } from './gateway.ts'

/** A provider token to send now; `ended`: the user must sign in again; `unavailable`: later it may work. */
export type FreshToken =
  | { readonly outcome: 'fresh'; readonly tokens: HeldTokens }
  | { readonly outcome: 'ended' }
  | { readonly outcome: 'unavailable' }

/** Keeps provider tokens alive: one refresh at a time for each credential, whoever asks and whoever leaves meanwhile. */
export interface FreshCredentials {
  /**
   * The token of an open access. A stale one that still lives is returned at once and refreshed behind the caller's
   * back; an expired one is waited for.
   */
  forAccess(access: OpenAccess): Promise<FreshToken>
  /** After the MCP server refused a token that looked alive: a newer one if there is or can be one. */
  afterRefusal(access: OpenAccess): Promise<FreshToken>
  /** Resolves when no refresh is under way: a token that the provider has already rotated must still be stored. */
  idle(): Promise<void>
}

/** How long one process may hold the right to refresh; longer than any provider call. */
const LEASE_MS = 20_000
/** After a failed refresh the provider is left alone for a while, so that every request does not ask again. */
const PAUSE_MS = 5_000
/** A token younger than this that a server refuses is not refreshed again. */
const REFUSED_YOUNG_MS = 30_000
/** How often a token that the provider has already issued is offered to a database that is away. */
const COMMIT_ATTEMPTS = 6
const WAIT_STEP_MS = 200

export function createFreshCredentials(
  gateway: Gateway,
  providerOf: (grant: Grant) => Provider | undefined,
): FreshCredentials {
  const underWay = new Map<string, Promise<FreshToken>>()
  const pausedUntil = new LRUCache<string, number>({ max: 10_000 })

  /** Single flight: detached from every caller, so that a client who leaves cannot waste a rotated token. */
  function refresh(grant: Grant, credentialId: string, seenVersion: number): Promise<FreshToken> {
    const running = underWay.get(credentialId)
    if (running) return running
    const started = refreshOnce(grant, credentialId, seenVersion)
      .catch((error: unknown): FreshToken => {
        gateway.logger.error({ err: error, grantId: grant.id }, 'provider token could not be refreshed')
        return { outcome: 'unavailable' }
      })
      .finally(() => underWay.delete(credentialId))
    underWay.set(credentialId, started)
    return started
  }

  async function refreshOnce(grant: Grant, credentialId: string, seenVersion: number): Promise<FreshToken> {
    const row = await gateway.store.findCredential(grant.id)
    if (!row || row.id !== credentialId || row.state !== 'live') return { outcome: 'ended' }
    const provider = providerOf(grant)
    if (!provider) return { outcome: 'ended' }
    const held = await openTokens(gateway.vault, ownerOf(grant, row, provider), row.sealed)
    // Somebody else has refreshed it since the caller looked.
    if (row.version > seenVersion && !hasExpired(held, gateway.now())) return { outcome: 'fresh', tokens: held }

    // Under another client's name a refresh token is refused, at some providers for good.
    const acting = await gateway.upstreamClients.recall(provider.name, grant.clientId, held.issuedTo)
    if (!acting) return endGrant(grant, row, provider, held.issuedTo, 'upstream_client_changed')
    if (!held.refreshToken || !acting.provider.refresh)
      return endGrant(grant, row, provider, held.issuedTo, 'no_refresh_token')
    const now = gateway.now()
    const paused = pausedUntil.get(credentialId) ?? 0
    if (paused > now) return { outcome: 'unavailable' }
    if ((await gateway.store.claimRefresh(row.id, row.version, now, now + LEASE_MS)).outcome === 'lost')
      return awaitOther(grant, row, provider)

    const outcome = await acting.provider.refresh(held.refreshToken)
    gateway.metrics.upstreamRefreshes.inc({
      route: grant.routePath,
      provider: provider.name,
      outcome: outcome.outcome,
      upstream_client: acting.issuedTo?.kind ?? 'shared',
    })
    return settle(grant, row, acting, outcome)
  }

  async function settle(
    grant: Grant,
    row: CredentialRow,
    { provider, issuedTo }: ActingProvider,
    outcome: RefreshOutcome,
  ): Promise<FreshToken> {
    if (outcome.outcome === 'refreshed') {
      pausedUntil.delete(row.id)
      const held = { ...outcome.tokens, obtainedAt: gateway.now() }
      const tokens: HeldTokens = issuedTo === undefined ? held : { ...held, issuedTo }
      await commit(row, await sealTokens(gateway.vault, ownerOf(grant, row, provider), tokens), tokens.expiresAt)
      return { outcome: 'fresh', tokens }
    }
    if (outcome.outcome === 'dead') return endGrant(grant, row, provider, issuedTo, outcome.reason)
    const level = outcome.outcome === 'misconfigured' ? 'error' : 'warn'
    gateway.logger[level](
      { grantId: grant.id, reason: outcome.reason },
      `provider refused to refresh: ${outcome.outcome}`,
    )
    pausedUntil.set(row.id, gateway.now() + PAUSE_MS)
    await gateway.store.releaseRefresh(row.id, row.version, true)
    return { outcome: 'unavailable' }
  }

  /** The provider may have spent the old token already: losing the new one would lose the user. */
  async function commit(row: CredentialRow, sealed: string, expiresAt: number | undefined): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await gateway.store.replaceCredential(row.id, row.version, sealed, expiresAt)
        return
      } catch (error) {
        if (attempt === COMMIT_ATTEMPTS) throw error
        await sleep(WAIT_STEP_MS * 2 ** attempt)
      }
    }
  }

  /** Another process holds the lease: its result is ours as soon as it is stored. */
  async function awaitOther(grant: Grant, row: CredentialRow, provider: Provider): Promise<FreshToken> {
    const deadline = gateway.now() + LEASE_MS
    while (gateway.now() < deadline) {
      await sleep(WAIT_STEP_MS)
      const current = await gateway.store.findCredential(grant.id)
      if (current?.state !== 'live') return { outcome: 'ended' }
      if (current.version > row.version) {
        return {
          outcome: 'fresh',
          tokens: await openTokens(gateway.vault, ownerOf(grant, current, provider), current.sealed),
        }
      }
    }
    return { outcome: 'unavailable' }
  }

  /** A tombstone first: a dead refresh token must never be sent again, whatever happens to the rest. */
  async function endGrant(
    grant: Grant,
    row: CredentialRow,
    provider: Provider,
    issuedTo: IssuedTo | undefined,
    reason: string,
  ): Promise<FreshToken> {
    await gateway.store.killCredential(row.id, row.version)
    const { id: grantId, clientId, routePath } = grant
    if (await gateway.store.revokeGrant(grantId))
      gateway.audit({
        event: 'grant_revoked',
        grantId,
        clientId,
        routePath,
        reason,
        ...auditedUpstreamClient(provider.name, issuedTo),
      })
    return { outcome: 'ended' }
  }

  return {
    async forAccess({ grant, credential }) {
      if (credential?.kind !== 'provider-token') return { outcome: 'ended' }
      const { tokens, row } = credential
      const now = gateway.now()
      if (hasExpired(tokens, now)) return refresh(grant, row.id, row.version)
      if (isStale(tokens, now) && tokens.refreshToken) void refresh(grant, row.id, row.version)
      return { outcome: 'fresh', tokens }
    },
    async afterRefusal({ grant, credential }) {
      if (credential?.kind !== 'provider-token') return { outcome: 'ended' }
      // A token this young will not get better by another refresh: the server refuses for reasons of its own.
      if (gateway.now() - credential.tokens.obtainedAt < REFUSED_YOUNG_MS) return { outcome: 'unavailable' }
      return refresh(grant, credential.row.id, credential.row.version)
    },
    async idle() {
      while (underWay.size > 0) await Promise.all(underWay.values())
    },
  }
}

function ownerOf(grant: Grant, row: CredentialRow, provider: Provider) {
  return { id: row.id, grantId: grant.id, routePath: grant.routePath, provider: provider.name }
}
