import {
  type ClientFacts,
  chooseClient,
  type IssuedTo,
  issuedTo,
  type UpstreamClient,
  type UpstreamClientRules,
} from '../domain/upstream-client.ts'
import type { Provider } from '../providers/provider.ts'

/** A provider as one of our clients there; without `issuedTo` where there are no clients (passwords). */
export interface ActingProvider {
  readonly provider: Provider
  readonly issuedTo?: IssuedTo
}

/** Which client we will be; `refused` when the operator lets no such MCP client in. */
export type Foreseen =
  | { readonly outcome: 'foreseen'; readonly client?: Pick<UpstreamClient, 'kind' | 'name'> & { clientId?: string } }
  | { readonly outcome: 'refused' }

/** As which client a sign-in begins. `reason` is for the log only. */
export type Chosen =
  | { readonly outcome: 'chosen'; readonly acting: ActingProvider }
  | { readonly outcome: 'refused' | 'unavailable'; readonly reason: string }

/** Which client we are at each provider, for each MCP client. */
export interface UpstreamClients {
  /** What choosing would lead to; asks nobody, so that it can be told before consent. */
  foresee(provider: string, facts: ClientFacts): Foreseen
  /** The client to begin a sign-in as. Rejects with StoreUnavailable; throws for a provider that does not exist. */
  choose(provider: string, facts: ClientFacts): Promise<Chosen>
  /**
   * The provider as the client that something was issued to or begun with; undefined when this MCP client would be another
   * one now: nothing may then be sent under either name. Without `issued` it was the shared one. Rejects with StoreUnavailable.
   */
  recall(provider: string, clientId: string, issued: IssuedTo | undefined): Promise<ActingProvider | undefined>
}

/** A provider, the client that the operator registered there, and which MCP clients get others. */
export interface ProviderClients {
  readonly provider: Provider
  /** Absent where there are no clients. */
  readonly shared?: UpstreamClient
  readonly rules: UpstreamClientRules
}

export function createUpstreamClients(providers: ReadonlyMap<string, ProviderClients>): UpstreamClients {
  function known(name: string): ProviderClients {
    const found = providers.get(name)
    if (!found) throw new Error('a route without its provider')
    return found
  }

  return {
    foresee(name, facts) {
      const { shared, rules } = known(name)
      if (!shared) return { outcome: 'foreseen' }
      const client = byRules(rules, facts, shared)
      return client ? { outcome: 'foreseen', client } : { outcome: 'refused' }
    },

    async choose(name, facts) {
      const { provider, shared, rules } = known(name)
      if (!shared) return { outcome: 'chosen', acting: { provider } }
      const client = byRules(rules, facts, shared)
      return client
        ? { outcome: 'chosen', acting: actAs(provider, client, facts) }
        : { outcome: 'refused', reason: 'no_rule_for_this_client' }
    },

    async recall(name, clientId, issued) {
      const { provider, shared, rules } = known(name)
      if (!shared) return { provider }
      const facts = { ...issued?.facts, clientId }
      const client = byRules(rules, facts, shared)
      return client && client.clientId === (issued ?? shared).clientId ? actAs(provider, client, facts) : undefined
    },
  }
}

function byRules(rules: UpstreamClientRules, facts: ClientFacts, shared: UpstreamClient): UpstreamClient | undefined {
  return rules.mode === 'mapped' ? chooseClient(rules, facts, shared) : shared
}

function actAs(provider: Provider, client: UpstreamClient, facts: ClientFacts): ActingProvider {
  const own = client.kind === 'shared' ? provider : (provider.as?.(client) ?? provider)
  return { provider: own, issuedTo: issuedTo(client, facts) }
}
