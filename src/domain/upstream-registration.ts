import { displayName } from './client.ts'
import { parseClientIdUrl } from './client-id-url.ts'
import type { ClientAuthentication } from './provider-profile.ts'
import { Secret } from './secret.ts'
import type { ClientFacts, UpstreamClient } from './upstream-client.ts'

/** What a provider answered to a registration (RFC 7591 §3.2.1). */
export interface RegisteredClient {
  readonly clientId: string
  /** Absent for a public client. */
  readonly clientSecret?: Secret
  readonly authentication?: ClientAuthentication
  /** When the secret stops working, ms since 1970; absent: never. */
  readonly secretExpiresAt?: number
  /** How to take it back (RFC 7592 §3). */
  readonly management?: { readonly url: string; readonly token: Secret }
}

/** A client that the gateway has registered at a provider for one MCP client. */
export interface UpstreamRegistration extends RegisteredClient {
  readonly name: string
  readonly redirectUri: string
  /** It was registered to exchange tokens as well. */
  readonly exchanges?: boolean
  /** ms since 1970. */
  readonly registeredAt: number
}

/** What a registration must be good for now. */
export type Wanted = Pick<UpstreamRegistration, 'redirectUri'> & { readonly exchanges: boolean }

/** Share of a secret's life after which another client is registered, so that no sign-in is begun with one that ends. */
const RENEW_AT = 0.9
/** The one in use, and the one before it while its secret works: tokens were issued to that one. */
const MAX_KEPT = 2
/** Together with the host and what stands between, it stays below the length that people are shown. */
const MAX_NAME_LENGTH = 50
const MAX_HOST_LENGTH = 45

/** What a client is called at the provider, such as `Claude via mcp.example.com`. */
export function nameAtProvider(facts: ClientFacts, gatewayHost: string): string {
  const url = parseClientIdUrl(facts.clientId)
  const called = displayName(facts.clientName ?? '') || (url.ok ? url.value.host : 'MCP client')
  return displayName(`${cut(called, MAX_NAME_LENGTH)} via ${cut(gatewayHost, MAX_HOST_LENGTH)}`)
}

/** The registration that a sign-in can begin with, of those for one MCP client, the newest first. */
export function usableRegistration(
  registrations: readonly UpstreamRegistration[],
  { redirectUri, exchanges }: Wanted,
  now: number,
): UpstreamRegistration | undefined {
  const [newest] = registrations
  if (newest?.redirectUri !== redirectUri || (exchanges && !newest.exchanges)) return undefined
  const { registeredAt, secretExpiresAt: end } = newest
  return end === undefined || now < registeredAt + (end - registeredAt) * RENEW_AT ? newest : undefined
}

/** The registration of that id, while its secret works. */
export function findRegistration(
  registrations: readonly UpstreamRegistration[],
  clientId: string,
  now: number,
): UpstreamRegistration | undefined {
  return registrations.find((candidate) => candidate.clientId === clientId && works(candidate, now))
}

/** What is kept once `newest` is there, and what can be taken back. */
export function renewed(
  registrations: readonly UpstreamRegistration[],
  newest: UpstreamRegistration,
  now: number,
): { readonly kept: readonly UpstreamRegistration[]; readonly dropped: readonly UpstreamRegistration[] } {
  const kept = [newest, ...registrations.filter((one) => works(one, now))].slice(0, MAX_KEPT)
  return { kept, dropped: registrations.filter((one) => !kept.includes(one)) }
}

/**
 * The registration as its provider describes it now (RFC 7592 §3); undefined when nothing that we use has changed, and when
 * the description leaves the secret out.
 */
export function renewedBy(
  registration: UpstreamRegistration,
  described: RegisteredClient,
): UpstreamRegistration | undefined {
  const { name, redirectUri, exchanges, registeredAt, management } = registration
  if (registration.clientSecret && !described.clientSecret) return undefined
  const own = { name, redirectUri, ...(exchanges === undefined ? {} : { exchanges }), registeredAt }
  const now = { ...(management ? { management } : {}), ...described, ...own }
  return plainOf(now) === plainOf(registration) ? undefined : now
}

/** The client that the gateway is with it. */
export function asUpstreamClient(registration: UpstreamRegistration): UpstreamClient {
  const { clientId, clientSecret, authentication, name } = registration
  return {
    kind: 'mirrored',
    clientId,
    name,
    ...(clientSecret === undefined ? {} : { clientSecret }),
    ...(authentication === undefined ? {} : { authentication }),
  }
}

/** The plain form that the vault seals; it must never go anywhere else. */
export function serializeRegistrations(registrations: readonly UpstreamRegistration[]): string {
  return JSON.stringify(
    registrations.map(({ clientSecret, management, ...open }) => ({
      ...open,
      secret: clientSecret?.reveal(),
      ...(management === undefined ? {} : { management: { url: management.url, token: management.token.reveal() } }),
    })),
  )
}

/** Reads what {@link serializeRegistrations} wrote. */
export function parseRegistrations(plain: string): readonly UpstreamRegistration[] {
  const written = JSON.parse(plain) as (Omit<UpstreamRegistration, 'clientSecret' | 'management'> & {
    readonly secret?: string
    readonly management?: { readonly url: string; readonly token: string }
  })[]
  return written.map(({ secret, management, ...open }) => ({
    ...open,
    ...(secret === undefined ? {} : { clientSecret: new Secret(secret) }),
    ...(management === undefined ? {} : { management: { url: management.url, token: new Secret(management.token) } }),
  }))
}

function plainOf(registration: UpstreamRegistration): string {
  const { clientSecret, authentication, secretExpiresAt, management } = registration
  const place = [management?.url, management?.token.reveal()]
  return JSON.stringify([clientSecret?.reveal(), authentication, secretExpiresAt, ...place])
}

function works({ secretExpiresAt }: UpstreamRegistration, now: number): boolean {
  return secretExpiresAt === undefined || now < secretExpiresAt
}

function cut(text: string, length: number): string {
  return [...text].slice(0, length).join('')
}
