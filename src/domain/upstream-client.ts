import type { Client } from './client.ts'
import { parseClientIdUrl } from './client-id-url.ts'
import { matchesGlob } from './glob.ts'
import type { ClientAuthentication } from './provider-profile.ts'
import { acceptRedirectUri } from './redirect-uri.ts'
import type { Secret } from './secret.ts'

/** How it is decided which client we are at a provider: one for everybody, by rules, or one registered for each client. */
export type UpstreamClientKind = 'shared' | 'mapped' | 'mirrored'

/** The client that the gateway is at a provider while it acts for one MCP client. */
export interface UpstreamClient {
  readonly kind: UpstreamClientKind
  readonly clientId: string
  readonly clientSecret?: Secret
  /** As registered (RFC 7591 §2); absent: as the provider prefers. */
  readonly authentication?: ClientAuthentication
  /** What the provider calls it. */
  readonly name?: string
}

/** An MCP client as it was when it asked. Only the id is sure: what it calls itself and where answers go is its own word. */
export interface ClientFacts {
  readonly clientId: string
  readonly clientName?: string
  /** Host of the redirect URI that was used, without the port on loopback; absent for private-use schemes. */
  readonly redirectHost?: string
}

/** To which of our clients tokens were issued, and by what it was chosen, so that another choice is noticed. */
export interface IssuedTo extends Pick<UpstreamClient, 'kind' | 'clientId' | 'name'> {
  readonly facts: Omit<ClientFacts, 'clientId'>
}

/** A pre-registered client for those MCP clients of which everything in `match` is true. */
export interface MappingRule {
  readonly match: {
    readonly clientId?: string
    /** Of a client id that is the address of a metadata document: that host vouches for the client. */
    readonly clientIdHost?: string
    readonly redirectHost?: string
    /** May hold `*`. */
    readonly clientName?: string
  }
  readonly client: UpstreamClient
}

/** `upstream_clients` of a provider in gateway.yaml. */
export type UpstreamClientRules =
  | { readonly mode: 'shared' }
  | { readonly mode: 'mapped'; readonly rules: readonly MappingRule[]; readonly otherwise: 'shared' | 'refuse' }
  | { readonly mode: 'mirrored'; readonly maxClients: number }

/** What rules may look at. */
export function factsOf(client: Client, redirectUri: string): ClientFacts {
  const target = acceptRedirectUri(redirectUri)
  const host = target.ok && target.value.kind !== 'private-scheme' ? target.value.host : undefined
  return {
    clientId: client.clientId,
    ...(client.clientName === undefined ? {} : { clientName: client.clientName }),
    ...(host === undefined ? {} : { redirectHost: host }),
  }
}

/** The client of the first rule that fits, or `shared`, or undefined when such clients are refused. */
export function chooseClient(
  rules: Extract<UpstreamClientRules, { mode: 'mapped' }>,
  facts: ClientFacts,
  shared: UpstreamClient,
): UpstreamClient | undefined {
  const rule = rules.rules.find(({ match }) => fits(match, facts))
  if (rule) return rule.client
  return rules.otherwise === 'shared' ? shared : undefined
}

/** What is kept with the tokens that are issued to `client`. */
export function issuedTo({ kind, clientId, name }: UpstreamClient, { clientId: _, ...facts }: ClientFacts): IssuedTo {
  return { kind, clientId, ...(name === undefined ? {} : { name }), facts }
}

function fits({ clientId, clientIdHost, redirectHost, clientName }: MappingRule['match'], facts: ClientFacts): boolean {
  const url = clientIdHost === undefined ? undefined : parseClientIdUrl(facts.clientId)
  return (
    (clientId === undefined || clientId === facts.clientId) &&
    (url === undefined || (url.ok && [url.value.host, url.value.hostname].some((host) => host === clientIdHost))) &&
    (redirectHost === undefined || redirectHost === facts.redirectHost) &&
    (clientName === undefined || (facts.clientName !== undefined && matchesGlob(clientName, facts.clientName)))
  )
}
