import {
  type ClientFacts,
  chooseClient,
  type IssuedTo,
  issuedTo,
  type UpstreamClient,
  type UpstreamClientKind,
  type UpstreamClientRules,
} from '../domain/upstream-client.ts'
import type { Provider } from '../providers/provider.ts'
import type { MirroredClients, MirroredPlace, RefusedRequest } from './mirrored-clients.ts'

/** A provider as one of our clients there; without `issuedTo` where there are no clients (passwords). */
export interface ActingProvider {
  readonly provider: Provider
  readonly issuedTo?: IssuedTo
}

/** Which client we will be; without an id where it is yet to be registered. */
export interface ForeseenClient {
  readonly kind: UpstreamClientKind
  readonly clientId?: string
  readonly name?: string
}

/** As which client a sign-in begins. `reason` is for the log only. */
export type Chosen =
  | { readonly outcome: 'chosen'; readonly acting: ActingProvider }
  | { readonly outcome: 'refused' | 'unavailable'; readonly reason: string }

/** Which client we are at each provider, for each MCP client. All methods that wait reject with StoreUnavailable. */
export interface UpstreamClients {
  /** Whether the operator lets such an MCP client sign in there. */
  admits(provider: string, facts: ClientFacts): boolean
  /** What two choices have in common that are the same for whoever is asked: mode and, where the operator says it, the id. */
  markOf(provider: string, facts: ClientFacts): string
  /** What choosing would lead to; asks no provider, so that it can be told before consent. Undefined where there are none. */
  foresee(provider: string, facts: ClientFacts): Promise<ForeseenClient | undefined>
  /** The client to begin a sign-in as; only after consent, because it may have to be registered. */
  choose(provider: string, facts: ClientFacts): Promise<Chosen>
  /**
   * The provider as the client that something was issued to or begun with; undefined when this MCP client would be another
   * one now: nothing may then be sent under either name. Without `issued` it was the shared one.
   */
  recall(provider: string, clientId: string, issued: IssuedTo | undefined): Promise<ActingProvider | undefined>
  /**
   * The provider does not know that client (`invalid_client`): true if that is sure, and another one will be registered at
   * the next sign-in. One answer alone is not believed.
   */
  refused(provider: string, clientId: string, issued: IssuedTo | undefined, request: RefusedRequest): Promise<boolean>
  /** The provider has shown that it knows that client. */
  accepted(provider: string, issued: IssuedTo | undefined): void
}

/** A provider, the client that the operator registered there, and which MCP clients get others. */
export interface ProviderClients {
  readonly provider: Provider
  /** Absent where there are no clients. */
  readonly shared?: UpstreamClient
  readonly rules: UpstreamClientRules
}

/** Throws, as its methods do, for a provider that does not exist. */
export function createUpstreamClients(
  providers: ReadonlyMap<string, ProviderClients>,
  mirrored: MirroredClients,
): UpstreamClients {
  function known(name: string): ProviderClients {
    const found = providers.get(name)
    if (!found) throw new Error('a route without its provider')
    return found
  }

  return {
    admits(name, facts) {
      const { shared, rules } = known(name)
      return rules.mode !== 'mapped' || shared === undefined || chooseClient(rules, facts, shared) !== undefined
    },

    markOf(name, facts) {
      const { shared, rules } = known(name)
      if (rules.mode === 'mirrored' || !shared) return rules.mode
      const client = rules.mode === 'mapped' ? chooseClient(rules, facts, shared) : shared
      return JSON.stringify([client?.kind, client?.clientId, client?.name])
    },

    async foresee(name, facts) {
      const { shared, rules } = known(name)
      if (rules.mode === 'mirrored') return { kind: 'mirrored', ...(await mirrored.foresee(name, facts)) }
      return rules.mode === 'mapped' && shared ? chooseClient(rules, facts, shared) : shared
    },

    async choose(name, facts) {
      const { provider, shared, rules } = known(name)
      if (rules.mode === 'mirrored') {
        const { maxClients } = rules
        const current = await mirrored.current({ provider, maxClients }, facts)
        if (current.outcome !== 'ready') return current
        return { outcome: 'chosen', acting: actAs(provider, current.client, facts) }
      }
      if (!shared) return { outcome: 'chosen', acting: { provider } }
      const client = rules.mode === 'mapped' ? chooseClient(rules, facts, shared) : shared
      return client
        ? { outcome: 'chosen', acting: actAs(provider, client, facts) }
        : { outcome: 'refused', reason: 'no_rule_for_this_client' }
    },

    async recall(name, clientId, issued) {
      const { provider, shared, rules } = known(name)
      const facts = { ...issued?.facts, clientId }
      if (rules.mode === 'mirrored') {
        const client = issued && (await mirrored.find(name, clientId, issued.clientId))
        return client && actAs(provider, client, facts)
      }
      if (!shared) return { provider }
      const client = rules.mode === 'mapped' ? chooseClient(rules, facts, shared) : shared
      return client && client.clientId === (issued ?? shared).clientId ? actAs(provider, client, facts) : undefined
    },

    async refused(name, clientId, issued, request) {
      const { provider, rules } = known(name)
      if (rules.mode !== 'mirrored' || !issued) return false
      return mirrored.refused(provider, clientId, issued.clientId, request)
    },

    accepted(name, issued) {
      if (issued?.kind === 'mirrored') mirrored.accepted(name, issued.clientId)
    },
  }
}

/** The providers at which clients are registered, by name. */
export function mirroredPlaces(providers: ReadonlyMap<string, ProviderClients>): ReadonlyMap<string, MirroredPlace> {
  return new Map(
    [...providers].flatMap(([name, { provider, rules }]) =>
      rules.mode === 'mirrored' ? [[name, { provider, maxClients: rules.maxClients }]] : [],
    ),
  )
}

function actAs(provider: Provider, client: UpstreamClient, facts: ClientFacts): ActingProvider {
  const own = client.kind === 'shared' ? provider : (provider.as?.(client) ?? provider)
  return { provider: own, issuedTo: issuedTo(client, facts) }
}
