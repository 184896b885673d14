import { type KnownClient, obtainTokens, refresh, type Tokens, tokensOf } from '../fixtures/oauth-requests.ts'

/** What happened to identities during a soak. */
export interface IdentityCounts {
  refreshes: number
  /** Refreshes that were refused: somebody was logged out. */
  loggedOut: number
  aborted: number
}

/** One user's install of the client that all share. */
export interface Identity {
  readonly name: string
  /** Sends with the current token; refreshes and repeats once when that is refused, as the SDKs' own clients do. */
  fetch(input: string | URL, init?: RequestInit): Promise<Response>
  /** Exchanges the refresh token, though the access token is still good. Several calls at once share one exchange. */
  refresh(): Promise<void>
}

/** Aborted requests are given up within so many ms of their start. */
const ABORT_WITHIN_MS = 6

/** Signs `name` in and keeps it signed in. `abortShare` of its POSTs are given up by closing the connection. */
export async function createIdentity(
  issuer: string,
  client: KnownClient,
  resource: string,
  name: string,
  abortShare: number,
  counts: IdentityCounts,
): Promise<Identity> {
  let tokens: Tokens = await obtainTokens(issuer, client, { resource })
  let refreshing: Promise<void> | undefined

  async function exchange(): Promise<void> {
    const answer = await refresh(issuer, client, tokens.refreshToken)
    // Any other answer leaves the tokens as they were, and the next call tries again.
    if (answer.status === 400 || answer.status === 401) counts.loggedOut += 1
    tokens = tokensOf(client, answer)
    counts.refreshes += 1
  }

  async function send(input: string | URL, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers)
    headers.set('authorization', `Bearer ${tokens.accessToken}`)
    return fetch(input, { ...init, headers })
  }

  const identity: Identity = {
    name,
    async fetch(input, init = {}) {
      const signals = init.signal ? [init.signal] : []
      if (init.method === 'POST' && Math.random() < abortShare) {
        signals.push(AbortSignal.timeout(Math.ceil(Math.random() * ABORT_WITHIN_MS)))
        counts.aborted += 1
      }
      const signal = signals.length > 0 ? { signal: AbortSignal.any(signals) } : {}
      const used = tokens
      const answer = await send(input, { ...init, ...signal })
      if (answer.status !== 401) return answer
      await answer.body?.cancel()
      if (tokens === used) await identity.refresh()
      return send(input, { ...init, ...signal })
    },
    refresh() {
      refreshing ??= exchange().finally(() => {
        refreshing = undefined
      })
      return refreshing
    },
  }
  return identity
}
