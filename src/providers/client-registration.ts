import type { ClientAuthentication } from '../domain/provider-profile.ts'
import { Secret } from '../domain/secret.ts'
import type { RegisteredClient } from '../domain/upstream-registration.ts'
import { deadlineIn } from './deadline.ts'
import type { ClientRegistration } from './provider.ts'
import {
  errorCode,
  type Fetch,
  fetchWhole,
  ProviderTrouble,
  parseJsonObject,
  troubleOf,
  troubleOfStatus,
} from './provider-http.ts'
import type { Members } from './token-answer.ts'
import { exchangeGrantType, type KnownExchangeStyle } from './token-exchange.ts'

/** Where and how clients are registered. */
export interface RegistrationPlace {
  readonly endpoint: string
  /** How a client's secret is sent afterwards. */
  readonly authentication: ClientAuthentication
}

export interface RegistrationTools {
  readonly fetch: Fetch
  /** For one request. */
  readonly timeoutMs: number
  /** Throws {@link ProviderTrouble} when nobody says where. */
  readonly place: () => Promise<RegistrationPlace>
  readonly initialAccessToken?: Secret
  /** Present where clients are to be registered for exchanging tokens as well. */
  readonly exchange?: KnownExchangeStyle
}

/** RFC 6749 Appendix A.1 and A.2: VSCHAR. */
const CLIENT_ID = /^[\x20-\x7e]{1,500}$/
const CLIENT_SECRET = /^[\x20-\x7e]{1,2000}$/
const MAX_MANAGEMENT_LENGTH = 4096

/** Registration of clients at a provider (RFC 7591), and their end (RFC 7592 §2.3). */
export function createClientRegistration({
  fetch,
  timeoutMs,
  place,
  initialAccessToken,
  exchange,
}: RegistrationTools): ClientRegistration {
  const bearer = (token: Secret | undefined) => (token ? { authorization: `Bearer ${token.reveal()}` } : {})

  return {
    exchanges: exchange !== undefined,

    async register({ name, redirectUri }) {
      try {
        const { endpoint, authentication } = await place()
        const metadata = {
          client_name: name,
          redirect_uris: [redirectUri],
          grant_types: ['authorization_code', 'refresh_token', ...(exchange ? [exchangeGrantType(exchange)] : [])],
          response_types: ['code'],
          token_endpoint_auth_method: authentication,
        }
        const headers = {
          accept: 'application/json',
          'content-type': 'application/json',
          ...bearer(initialAccessToken),
        }
        const options = { method: 'POST', headers, body: JSON.stringify(metadata), redirect: 'manual' } as const
        const response = await fetchWhole(fetch, endpoint, options, deadlineIn(timeoutMs))
        const members = readAnswer(response.status, await response.text())
        return { outcome: 'registered', client: readClient(members, endpoint, redirectUri) }
      } catch (error) {
        const { effect, reason } = troubleOf(error)
        return { outcome: effect === 'unavailable' ? 'unavailable' : 'misconfigured', reason }
      }
    },

    async look({ clientId, redirectUri, management: { url, token }, ...held }) {
      try {
        const headers = { accept: 'application/json', ...bearer(token) }
        const options = { method: 'GET', headers, body: undefined, redirect: 'manual' } as const
        const response = await fetchWhole(fetch, url, options, deadlineIn(timeoutMs))
        // RFC 7592 §2.1: whoever does not exist is answered so, and its token is good for nothing.
        if (response.status === 401) return { outcome: 'gone' }
        const members = response.status === 200 ? parseJsonObject(await response.text()) : undefined
        if (members?.client_id !== clientId) return { outcome: 'unknown' }
        const described = members.client_secret === undefined ? { ...secretOf(held), ...members } : members
        const client = readIfUsable(described, url, redirectUri)
        return { outcome: 'there', ...(client ? { client } : {}) }
      } catch {
        return { outcome: 'unknown' }
      }
    },

    async remove({ url, token }) {
      const options = { method: 'DELETE', headers: bearer(token), body: undefined, redirect: 'manual' } as const
      // Nobody can do anything about a provider that keeps what is not needed any more.
      await fetchWhole(fetch, url, options, deadlineIn(timeoutMs)).catch(() => undefined)
    },
  }
}

/** RFC 7591 §3.2: 201 with the client, or an error with a code. */
function readAnswer(status: number, body: string): Members {
  const members = parseJsonObject(body)
  if (status === 201 || status === 200) {
    if (!members) throw new ProviderTrouble('unavailable', 'answer_not_json')
    return members
  }
  const trouble = troubleOfStatus(status)
  throw trouble.effect !== 'unavailable' && typeof members?.error === 'string'
    ? new ProviderTrouble('misconfigured', errorCode(members.error))
    : trouble
}

/** What was registered counts, not what was asked for (RFC 7591 §3.2.1). Throws {@link ProviderTrouble} `misconfigured`. */
function readClient(members: Members, endpoint: string, redirectUri: string): RegisteredClient {
  const { client_id, client_secret, token_endpoint_auth_method, redirect_uris } = members
  // Absent means Basic for who has a secret (RFC 7591 §2).
  const method = token_endpoint_auth_method ?? (client_secret === undefined ? 'none' : 'client_secret_basic')
  if (typeof client_id !== 'string' || !CLIENT_ID.test(client_id)) throw unusable('client_id')
  if (redirect_uris !== undefined && !(Array.isArray(redirect_uris) && redirect_uris.includes(redirectUri)))
    throw unusable('redirect_uris')
  const management = readManagement(members, endpoint)
  const common = { clientId: client_id, ...(management ? { management } : {}) }
  if (method === 'none') return common
  if (method !== 'client_secret_basic' && method !== 'client_secret_post') throw unusable('auth_method')
  if (typeof client_secret !== 'string' || !CLIENT_SECRET.test(client_secret)) throw unusable('client_secret')
  const end = members.client_secret_expires_at
  return {
    ...common,
    clientSecret: new Secret(client_secret),
    authentication: method,
    ...(typeof end === 'number' && Number.isFinite(end) && end > 0 ? { secretExpiresAt: end * 1000 } : {}),
  }
}

/** Many do not repeat the secret, which then is what it was; but they may name another token to come back with. */
function secretOf({ clientSecret, authentication, secretExpiresAt }: Omit<RegisteredClient, 'clientId'>): Members {
  if (!clientSecret) return {}
  return {
    client_secret: clientSecret.reveal(),
    token_endpoint_auth_method: authentication,
    client_secret_expires_at: (secretExpiresAt ?? 0) / 1000,
  }
}

/** What cannot be used says only that there is such a client. */
function readIfUsable(members: Members, url: string, redirectUri: string): RegisteredClient | undefined {
  try {
    return readClient(members, url, redirectUri)
  } catch {
    return undefined
  }
}

/** Kept only where it leads back to where we have just been: the token must not be sent to anybody else (RFC 7592 §3). */
function readManagement(members: Members, endpoint: string): RegisteredClient['management'] {
  const { registration_client_uri: uri, registration_access_token: token } = members
  const url = typeof uri === 'string' && uri.length <= MAX_MANAGEMENT_LENGTH ? URL.parse(uri) : null
  if (!url || url.origin !== new URL(endpoint).origin || url.username !== '' || url.password !== '') return undefined
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token) || token.length > MAX_MANAGEMENT_LENGTH)
    return undefined
  return { url: url.href, token: new Secret(token) }
}

function unusable(what: string): ProviderTrouble {
  return new ProviderTrouble('misconfigured', `registered_${what}_unusable`)
}
