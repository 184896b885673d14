import { type Audit, auditedUpstreamClient } from '../audit.ts'
import { Secret } from '../domain/secret.ts'
import { type ClientFacts, issuedTo, type UpstreamClient } from '../domain/upstream-client.ts'
import {
  asUpstreamClient,
  findRegistration,
  nameAtProvider,
  renewed,
  type UpstreamRegistration,
  usableRegistration,
} from '../domain/upstream-registration.ts'
import { INTERACTION_TTL_MS } from '../http/browser-proof.ts'
import type { Metrics } from '../metrics.ts'
import type { Provider } from '../providers/provider.ts'
import type { Store, UpstreamClientRow } from '../storage/store.ts'
import { CannotOpen, openRegistrations, sealRegistrations, type Vault } from '../vault.ts'

/** A provider at which one client is registered for each MCP client, `maxClients` at once. */
export interface MirroredPlace {
  readonly provider: Provider
  readonly maxClients: number
}

/** Clients that the gateway registers at providers (RFC 7591), one for each MCP client, and takes back (RFC 7592). */
export interface MirroredClients {
  /** The one to begin a sign-in as; registered now if there is none. Rejects with StoreUnavailable. */
  current(
    place: MirroredPlace,
    facts: ClientFacts,
  ): Promise<
    | { readonly outcome: 'ready'; readonly client: UpstreamClient }
    | { readonly outcome: 'unavailable'; readonly reason: string }
  >
  /** The one that there is, or what one would be called; asks nobody. */
  foresee(provider: string, facts: ClientFacts): Promise<{ readonly clientId?: string; readonly name: string }>
  /** One of those registered for an MCP client, by its id at the provider. */
  find(provider: string, clientId: string, upstreamId: string): Promise<UpstreamClient | undefined>
  /** Forgets one that its provider does not know any more. */
  forget(place: MirroredPlace, clientId: string, upstreamId: string): Promise<void>
  /** Takes back what was registered for an MCP client that is gone; fails nobody. */
  clientGone(clientId: string): Promise<void>
  /** Takes back what was registered for MCP clients that have gone by themselves, `limit` at the most; how many those were. */
  collect(limit: number): Promise<number>
}

export interface MirroredTools {
  readonly store: Store
  readonly vault: Vault
  /** The issuer, under which our redirect URIs are. */
  readonly issuer: string
  readonly places: ReadonlyMap<string, MirroredPlace>
  /** Ids of clients that the operator declared. */
  readonly declared: readonly string[]
  readonly audit: Audit
  readonly metrics: Metrics
  readonly warn: (facts: object, message: string) => void
  /** ms since 1970. */
  readonly now: () => number
}

/** So often it is noted that one is in use, and asked whether the provider still knows it. */
const USE_NOTED_MS = 5 * 60_000
/** A client that nobody has signed in with yet may be on its way to its first grant. */
const LOST_AFTER_MS = 60 * 60_000

interface Held {
  readonly row: UpstreamClientRow
  readonly registrations: readonly UpstreamRegistration[]
}

export function createMirroredClients(tools: MirroredTools): MirroredClients {
  const { store, vault, audit, metrics, now } = tools
  const underWay = new Map<string, ReturnType<MirroredClients['current']>>()
  const redirectUriOf = (provider: Provider) => `${tools.issuer}/callback/${provider.name}`
  const nameOf = (facts: ClientFacts) => nameAtProvider(facts, new URL(tools.issuer).host)

  async function open(row: UpstreamClientRow): Promise<readonly UpstreamRegistration[]> {
    try {
      return await openRegistrations(vault, row)
    } catch (error) {
      // Sealed with a key that was taken out: as good as nothing.
      if (error instanceof CannotOpen) return []
      throw error
    }
  }

  async function findHeld(provider: string, clientId: string): Promise<Held | undefined> {
    const row = await store.findUpstreamClient(provider, clientId)
    return row && { row, registrations: await open(row) }
  }

  async function obtain(
    place: MirroredPlace,
    facts: ClientFacts,
    again = true,
  ): ReturnType<MirroredClients['current']> {
    const { name } = place.provider
    const found = await findHeld(name, facts.clientId)
    const usable = usableRegistration(found?.registrations ?? [], redirectUriOf(place.provider), now())
    const isIdle = found !== undefined && now() - found.row.usedAt >= USE_NOTED_MS
    const lost = usable && isIdle && (await isLost(place.provider, usable)) ? usable : undefined
    if (found && usable && !lost) {
      if (isIdle) await store.noteUpstreamClientUse(name, facts.clientId, now())
      return { outcome: 'ready', client: asUpstreamClient(usable) }
    }
    const fresh = await register(place, facts)
    if ('outcome' in fresh) return fresh
    const former = (found?.registrations ?? []).filter((one) => one !== lost)
    const { kept, dropped } = renewed(former, fresh, now())
    const put = await store.putUpstreamClient(
      {
        provider: name,
        clientId: facts.clientId,
        version: (found?.row.version ?? 0) + 1,
        sealed: await sealRegistrations(vault, name, facts.clientId, kept),
        usedAt: now(),
      },
      { capacity: place.maxClients, idleSince: now() - INTERACTION_TTL_MS },
    )
    if (put.outcome !== 'won') {
      await takeBack(place.provider, [fresh])
      if (put.outcome === 'lost' && again) return obtain(place, facts, false)
      return { outcome: 'unavailable', reason: put.outcome === 'full' ? 'too_many_clients' : 'overtaken' }
    }
    if (lost) note('upstream_client_forgotten', name, facts.clientId, lost)
    note('upstream_client_registered', name, facts.clientId, fresh)
    void takeBack(place.provider, dropped)
    if (put.evicted) void endRow(put.evicted)
    return { outcome: 'ready', client: asUpstreamClient(fresh) }
  }

  async function register(
    { provider }: MirroredPlace,
    facts: ClientFacts,
  ): Promise<UpstreamRegistration | { readonly outcome: 'unavailable'; readonly reason: string }> {
    const wanted = { name: nameOf(facts), redirectUri: redirectUriOf(provider) }
    const registered = (await provider.registration?.register(wanted)) ?? NOWHERE
    metrics.upstreamRegistrations.inc({ provider: provider.name, outcome: registered.outcome })
    if (registered.outcome === 'registered') return { ...registered.client, ...wanted, registeredAt: now() }
    const { outcome, reason } = registered
    tools.warn({ provider: provider.name, clientId: facts.clientId, reason }, `client not registered: ${outcome}`)
    return { outcome: 'unavailable', reason }
  }

  /** One that was deleted there would meet users with an error page of the provider, and nobody would hear of it here. */
  async function isLost(provider: Provider, registration: UpstreamRegistration): Promise<boolean> {
    const asked = await provider.as?.(asUpstreamClient(registration)).refresh?.(NO_TOKEN)
    return asked?.outcome === 'misconfigured' && asked.reason === 'invalid_client'
  }

  async function takeBack(
    provider: Provider | undefined,
    registrations: readonly UpstreamRegistration[],
  ): Promise<void> {
    for (const { management } of registrations) if (management) await provider?.registration?.remove(management)
  }

  /** What follows when a row was taken out of the store, by whoever took it. */
  async function endRow(row: UpstreamClientRow): Promise<void> {
    const registrations = await open(row)
    for (const one of registrations) note('upstream_client_removed', row.provider, row.clientId, one)
    await takeBack(tools.places.get(row.provider)?.provider, registrations)
  }

  async function takeRows(rows: readonly UpstreamClientRow[]): Promise<void> {
    for (const row of rows)
      if (await store.takeUpstreamClient(row.provider, row.clientId, row.version)) await endRow(row)
  }

  function note(event: UpstreamClientEvent, provider: string, clientId: string, registration: UpstreamRegistration) {
    const issued = issuedTo(asUpstreamClient(registration), { clientId })
    audit({ event, clientId, ...auditedUpstreamClient(provider, issued) })
  }

  return {
    current(place, facts) {
      const key = JSON.stringify([place.provider.name, facts.clientId])
      const running = underWay.get(key) ?? obtain(place, facts).finally(() => underWay.delete(key))
      underWay.set(key, running)
      return running
    },

    async foresee(provider, facts) {
      const [newest] = (await findHeld(provider, facts.clientId))?.registrations ?? []
      return newest ?? { name: nameOf(facts) }
    },

    async find(provider, clientId, upstreamId) {
      const held = await findHeld(provider, clientId)
      const registration = held && findRegistration(held.registrations, upstreamId, now())
      return registration && asUpstreamClient(registration)
    },

    async forget({ provider, maxClients }, clientId, upstreamId) {
      const held = await findHeld(provider.name, clientId)
      const refused = held?.registrations.find((one) => one.clientId === upstreamId)
      if (!held || !refused) return
      const others = held.registrations.filter((one) => one !== refused)
      const { row } = held
      const won =
        others.length === 0
          ? await store.takeUpstreamClient(provider.name, clientId, row.version)
          : (
              await store.putUpstreamClient(
                {
                  ...row,
                  version: row.version + 1,
                  sealed: await sealRegistrations(vault, provider.name, clientId, others),
                },
                { capacity: maxClients, idleSince: 0 },
              )
            ).outcome === 'won'
      if (won) note('upstream_client_forgotten', provider.name, clientId, refused)
    },

    async clientGone(clientId) {
      try {
        await takeRows(await store.findUpstreamClientsOf(clientId))
      } catch (error) {
        tools.warn({ err: error, clientId }, 'what was registered at providers for a client was not taken back')
      }
    },

    async collect(limit) {
      // Looked for one by one: while a provider takes one back, somebody may begin to sign in with the next.
      for (let taken = 0; taken < limit; taken += 1) {
        const lost = await store.findLostUpstreamClients(tools.declared, now() - LOST_AFTER_MS, 1)
        if (lost.length === 0) return taken
        await takeRows(lost)
      }
      return limit
    },
  }
}

type UpstreamClientEvent = 'upstream_client_registered' | 'upstream_client_removed' | 'upstream_client_forgotten'

/** Whom the provider knows, it tells that this is no token; whom it does not know, it tells that first. */
const NO_TOKEN = new Secret('none')
const NOWHERE = { outcome: 'misconfigured', reason: 'no_registration' } as const
