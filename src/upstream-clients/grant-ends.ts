import { type Audit, type AuditEvent, auditedUpstreamClient } from '../audit.ts'
import { type HeldTokens, type ProviderTokens, tokenProviderOf } from '../domain/credential.ts'
import type { Grant } from '../domain/grant.ts'
import type { Route } from '../domain/route.ts'
import type { IssuedTo } from '../domain/upstream-client.ts'
import type { EndedGrant, Store } from '../storage/store.ts'
import { openTokens, type Vault } from '../vault.ts'
import type { UpstreamClients } from './upstream-clients.ts'

type Revoked = Extract<AuditEvent, { event: 'grant_revoked' }>

/** Tokens with the provider that issued them; to which of our clients is in `tokens`. */
export interface IssuedTokens {
  readonly provider: string
  readonly tokens: ProviderTokens & { readonly issuedTo?: IssuedTo }
}

/** How grants end, whoever ends them, and what becomes of tokens that nobody will use any more. */
export interface GrantEnds {
  /**
   * Ends a grant, at once and for good, notes `why` in the trail with the upstream client as far as it is known, and gives
   * its tokens back. Resolves to true for the caller that ended it. Rejects with StoreUnavailable.
   */
  end(grant: Grant, why: Pick<Revoked, 'reason' | 'requestId' | 'address' | 'upstreamClient'>): Promise<boolean>
  /** The same without a note: somebody else notes what has happened. */
  endUnnoted(grant: Grant): Promise<boolean>
  /** Gives back the tokens of grants that have ended, after those of earlier calls. Resolves when that has been tried; never rejects. */
  settle(ended: readonly EndedGrant[]): Promise<void>
  /**
   * Gives tokens back that nobody will use, where that ends nothing else (RFC 7009, V-03). Resolves when that has been
   * tried, and never rejects: what fails leaves them to run out by themselves.
   */
  giveBack(clientId: string, issued: IssuedTokens): Promise<void>
}

export interface GrantEndTools {
  readonly store: Store
  readonly vault: Vault
  readonly upstreamClients: UpstreamClients
  readonly routeOf: (path: string) => Route | undefined
  readonly audit: Audit
}

/** Of many grants that end together, so many are given back at the same time. */
const AT_ONCE = 8

export function createGrantEnds({ store, vault, upstreamClients, routeOf, audit }: GrantEndTools): GrantEnds {
  let settled = Promise.resolve()

  /** Those that can still be opened, and whose provider is known: those for the MCP server first. */
  async function open({ grant, credentials }: EndedGrant): Promise<readonly (IssuedTokens & { tokens: HeldTokens })[]> {
    const route = routeOf(grant.routePath)
    const opened = credentials.map(async ({ id, sealed, state, purpose }) => {
      const provider = purpose === 'sign-in' ? route?.signIn : route && tokenProviderOf(route.credential)
      if (provider === undefined || state !== 'live') return []
      const owner = { id, grantId: grant.id, routePath: grant.routePath, provider }
      const tokens = await openTokens(vault, owner, sealed).catch(() => undefined)
      return tokens ? [{ provider, tokens }] : []
    })
    return (await Promise.all(opened)).flat()
  }

  async function giveBack(clientId: string, { provider: name, tokens }: IssuedTokens): Promise<void> {
    try {
      const { provider } = (await upstreamClients.recall(name, clientId, tokens.issuedTo)) ?? {}
      // Some providers end everything that the user ever allowed us; other grants of theirs would go with it (C23).
      if (provider?.revocationEnds === 'tokens') await provider.revoke?.(tokens)
    } catch {
      // The store could not say who we are there.
    }
  }

  async function settleNow(ended: readonly EndedGrant[]): Promise<void> {
    for (let from = 0; from < ended.length; from += AT_ONCE)
      await Promise.all(ended.slice(from, from + AT_ONCE).map(giveAllBack))
  }

  async function giveAllBack(ended: EndedGrant): Promise<void> {
    for (const issued of await open(ended)) await giveBack(ended.grant.clientId, issued)
  }

  return {
    async end(grant, why) {
      const ended = await store.revokeGrant(grant.id)
      if (!ended) return false
      const issued = await open(ended)
      const { id: grantId, clientId, routePath } = grant
      const [first] = issued
      const at = first ? auditedUpstreamClient(first.provider, first.tokens.issuedTo) : {}
      audit({ event: 'grant_revoked', grantId, clientId, routePath, ...at, ...why })
      for (const one of issued) void giveBack(clientId, one)
      return true
    },
    async endUnnoted(grant) {
      const ended = await store.revokeGrant(grant.id)
      if (ended) void giveAllBack(ended)
      return ended !== undefined
    },
    settle(ended) {
      settled = settled.then(() => settleNow(ended))
      return settled
    },
    giveBack,
  }
}
