import { type Audit, type AuditEvent, auditedUpstreamClient } from '../audit.ts'
import { type ProviderTokens, tokenProviderOf } from '../domain/credential.ts'
import type { Grant } from '../domain/grant.ts'
import type { Route } from '../domain/route.ts'
import type { IssuedTo } from '../domain/upstream-client.ts'
import type { EndedGrant } from '../storage/records.ts'
import type { Store } from '../storage/store.ts'
import { openTokens, type Vault } from '../vault.ts'
import { createGiveBackQueue } from './give-back-queue.ts'
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
  /** Gives back the tokens of grants that have ended. Resolves when that has been tried; never rejects. */
  settle(ended: readonly EndedGrant[]): Promise<void>
  /**
   * Gives tokens back that nobody will use, where that ends nothing else (RFC 7009, V-03). Resolves when that has been
   * tried, and never rejects: what fails leaves them to run out by themselves.
   */
  giveBack(clientId: string, issued: IssuedTokens): Promise<void>
  /** Resolves when nothing is on its way any more, after a few seconds at the latest; nothing is given back from then on. */
  drain(): Promise<void>
}

export interface GrantEndTools {
  readonly store: Store
  readonly vault: Vault
  readonly upstreamClients: UpstreamClients
  readonly routeOf: (path: string) => Route | undefined
  readonly audit: Audit
  readonly warn: (facts: object, message: string) => void
}

/** How long a shutdown waits for providers to take tokens back. */
const DRAIN_MS = 5000

export function createGrantEnds(tools: GrantEndTools): GrantEnds {
  const { store, vault, upstreamClients, routeOf, audit, warn } = tools
  const queue = createGiveBackQueue((provider) => {
    warn({ provider }, 'too many tokens wait to be given back to a provider: others run out by themselves')
  })

  /** What may still be good of what a grant held, sealed, with its provider: those for the MCP server first. */
  function held({ grant, credentials }: EndedGrant) {
    const route = routeOf(grant.routePath)
    return credentials.flatMap(({ id, sealed, state, purpose }) => {
      const provider = purpose === 'sign-in' ? route?.signIn : route && tokenProviderOf(route.credential)
      if (provider === undefined || state !== 'live') return []
      const owner = { id, grantId: grant.id, routePath: grant.routePath, provider }
      return [{ provider, open: () => openTokens(vault, owner, sealed).catch(() => undefined) }]
    })
  }

  /** Who we were at the provider of the first that can still be opened, for the trail. */
  async function firstClient(ended: EndedGrant) {
    for (const { provider, open } of held(ended)) {
      const tokens = await open()
      if (tokens) return auditedUpstreamClient(provider, tokens.issuedTo)
    }
    return {}
  }

  async function ask(clientId: string, { provider: name, tokens }: IssuedTokens): Promise<void> {
    // Rejects when the store cannot say who we are there.
    const { provider } = (await upstreamClients.recall(name, clientId, tokens.issuedTo)) ?? {}
    // Some providers end everything that the user ever allowed us; other grants of theirs would go with it (C23).
    if (provider?.revocationEnds === 'tokens') await provider.revoke?.(tokens)
  }

  async function giveAllBack(ended: EndedGrant): Promise<void> {
    const given = held(ended).map(({ provider, open }) =>
      queue.add(provider, async () => {
        const tokens = await open()
        if (tokens) await ask(ended.grant.clientId, { provider, tokens })
      }),
    )
    await Promise.all(given)
  }

  return {
    async end(grant, why) {
      const ended = await store.revokeGrant(grant.id)
      if (!ended) return false
      const { id: grantId, clientId, routePath } = grant
      const at = await firstClient(ended)
      audit({ event: 'grant_revoked', grantId, clientId, routePath, ...at, ...why })
      void giveAllBack(ended)
      return true
    },
    async endUnnoted(grant) {
      const ended = await store.revokeGrant(grant.id)
      if (ended) void giveAllBack(ended)
      return ended !== undefined
    },
    async settle(ended) {
      await Promise.all(ended.map(giveAllBack))
    },
    giveBack: (clientId, issued) => queue.add(issued.provider, () => ask(clientId, issued)),
    async drain() {
      const left = await queue.drain(DRAIN_MS)
      if (left > 0) warn({ left }, 'tokens that nobody needs were not given back: they run out by themselves')
    },
  }
}
