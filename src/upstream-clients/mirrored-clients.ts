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
import type { UpstreamClientRow } from '../storage/records.ts'
import type { Store } from '../storage/store.ts'
import type { Vault } from '../vault.ts'
import { createDoubtedClients } from './doubted-clients.ts'
import { createHeldRegistrations, type Held } from './held-registrations.ts'

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
  /** Its provider does not know one (`invalid_client`): true once that is sure and it is forgotten. */
  refused(provider: Provider, clientId: string, upstreamId: string, request: RefusedRequest): Promise<boolean>
  /** Its provider knows it. */
  accepted(provider: string, upstreamId: string): void
  /** Takes back what was registered for an MCP client that is gone; fails nobody. */
  clientGone(clientId: string): Promise<void>
  /** Takes back what was registered for MCP clients that have gone by themselves, `limit` at the most; how many those were. */
  collect(limit: number): Promise<number>
}

/**
 * What was refused with `invalid_client`. Keycloak refuses an exchange with it for the sake of the audience, too: then the
 * token endpoint is asked about the client alone.
 */
export type RefusedRequest = 'code' | 'refresh' | 'exchange'

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

export function createMirroredClients(tools: MirroredTools): MirroredClients {
  const { store, vault, audit, metrics, now } = tools
  const stored = createHeldRegistrations(store, vault)
  const doubts = createDoubtedClients(now)
  const underWay = new Map<string, ReturnType<MirroredClients['current']>>()
  const wantedAt = ({ name, registration }: Provider) => ({
    redirectUri: `${tools.issuer}/callback/${name}`,
    exchanges: registration?.exchanges ?? false,
  })
  const nameOf = (facts: ClientFacts) => nameAtProvider(facts, new URL(tools.issuer).host)

  async function obtain(
    place: MirroredPlace,
    facts: ClientFacts,
    again = true,
  ): ReturnType<MirroredClients['current']> {
    const { name } = place.provider
    const found = await stored.find(name, facts.clientId)
    const usable = usableRegistration(found?.registrations ?? [], wantedAt(place.provider), now())
    const isIdle = found !== undefined && now() - found.row.usedAt >= USE_NOTED_MS
    const isAsked = usable && (isIdle || doubts.isDoubted(name, usable.clientId))
    const standing = found && isAsked ? await examine(place.provider, found, usable) : 'known'
    // Its users would meet an error page of the provider; others still have tokens that may work again.
    if (standing === 'doubted') return { outcome: 'unavailable', reason: 'client_refused' }
    if (usable && standing !== 'lost') {
      if (isIdle) await store.noteUpstreamClientUse(name, facts.clientId, now())
      return { outcome: 'ready', client: asUpstreamClient(standing === 'known' ? usable : standing) }
    }
    const lost = usable
    // Whoever has begun to sign in since may still do so, and not every use is noted.
    const room = { capacity: place.maxClients, idleSince: now() - INTERACTION_TTL_MS - USE_NOTED_MS }
    // Asked first, because not every provider takes back what it has registered.
    if (!found && !(await store.hasUpstreamClientRoom(name, room)))
      return { outcome: 'unavailable', reason: 'too_many_clients' }
    const fresh = await register(place, facts)
    if ('outcome' in fresh) return fresh
    const former = (found?.registrations ?? []).filter((one) => one !== lost)
    const { kept, dropped } = renewed(former, fresh, now())
    const put = await stored.put({ provider: name, clientId: facts.clientId, usedAt: now() }, found, kept, room)
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
    const wanted = { name: nameOf(facts), ...wantedAt(provider) }
    const registered = (await provider.registration?.register(wanted)) ?? NOWHERE
    metrics.upstreamRegistrations.inc({ provider: provider.name, outcome: registered.outcome })
    if (registered.outcome === 'registered') return { ...registered.client, ...wanted, registeredAt: now() }
    const { outcome, reason } = registered
    tools.warn({ provider: provider.name, clientId: facts.clientId, reason }, `client not registered: ${outcome}`)
    return { outcome: 'unavailable', reason }
  }

  /** One that was deleted there would meet users with an error page of the provider, and nobody would hear of it here. */
  async function examine(provider: Provider, held: Held, registration: UpstreamRegistration): Promise<Standing> {
    const asked = await provider.as?.(asUpstreamClient(registration)).refresh?.(NO_TOKEN)
    if (asked?.outcome === 'misconfigured' && asked.reason === 'invalid_client')
      return judge(provider, held, registration)
    if (asked && asked.outcome !== 'unavailable') doubts.trust(provider.name, registration.clientId)
    return 'known'
  }

  async function judge(provider: Provider, held: Held, registration: UpstreamRegistration): Promise<Standing> {
    const verdict = await doubts.judge(provider, registration)
    if (typeof verdict === 'string') return verdict
    const { registrations } = held
    const won = await stored.replace(
      held,
      registrations.map((one) => (one === registration ? verdict : one)),
    )
    return won ? verdict : 'doubted'
  }

  async function takeBack(
    provider: Provider | undefined,
    registrations: readonly UpstreamRegistration[],
  ): Promise<void> {
    for (const { management } of registrations) if (management) await provider?.registration?.remove(management)
  }

  /** What follows when a row was taken out of the store, by whoever took it. */
  async function endRow(row: UpstreamClientRow): Promise<void> {
    const registrations = await stored.open(row)
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
      const [newest] = (await stored.find(provider, facts.clientId))?.registrations ?? []
      return newest ?? { name: nameOf(facts) }
    },

    async find(provider, clientId, upstreamId) {
      const held = await stored.find(provider, clientId)
      const registration = held && findRegistration(held.registrations, upstreamId, now())
      return registration && asUpstreamClient(registration)
    },

    async refused(provider, clientId, upstreamId, request) {
      const held = await stored.find(provider.name, clientId)
      const registration = held?.registrations.find((one) => one.clientId === upstreamId)
      if (!held || !registration) return true
      const confirm = request === 'exchange' ? examine : judge
      if ((await confirm(provider, held, registration)) !== 'lost') return false
      const others = held.registrations.filter((one) => one !== registration)
      // Whoever was faster has changed it, or forgotten it: the next refusal will show.
      if (!(await stored.replace(held, others))) return false
      note('upstream_client_forgotten', provider.name, clientId, registration)
      return true
    },

    accepted: doubts.trust,

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

/** What is known of a registration at its provider: a registration is what it is by now. */
type Standing = 'known' | 'lost' | 'doubted' | UpstreamRegistration

type UpstreamClientEvent = 'upstream_client_registered' | 'upstream_client_removed' | 'upstream_client_forgotten'

/** Whom the provider knows, it tells that this is no token; whom it does not know, it tells that first. */
const NO_TOKEN = new Secret('none')
const NOWHERE = { outcome: 'misconfigured', reason: 'no_registration' } as const
