import { renewedBy, type UpstreamRegistration } from '../domain/upstream-registration.ts'
import type { Provider } from '../providers/provider.ts'

/**
 * Clients of ours that a provider has answered with `invalid_client`. One such answer proves nothing: a provider in trouble
 * may give it to everybody, and whoever believed it would sign out all users of an MCP client at once.
 */
export interface DoubtedClients {
  isDoubted(provider: string, upstreamId: string): boolean
  /** The provider has shown that it knows the client. */
  trust(provider: string, upstreamId: string): void
  /**
   * What another `invalid_client` means. `lost`: the provider says at the client's own address that there is none
   * (RFC 7592 §2.1), or, where it does not say, has refused it for {@link CONFIRMED_AFTER_MS} without accepting it once. A
   * registration: it is there, and its secret or address has changed. Never rejects.
   */
  judge(provider: Provider, registration: UpstreamRegistration): Promise<'lost' | 'doubted' | UpstreamRegistration>
}

/** From the first refusal to the one that counts. */
export const CONFIRMED_AFTER_MS = 5 * 60_000
/** A refusal so long ago is no longer the first of a row. */
const FORGOTTEN_AFTER_MS = 60 * 60_000
/** So seldom the client's own address is asked, however many refreshes are refused. */
const LOOK_AGAIN_MS = 60_000
const MAX_DOUBTED = 10_000

interface Doubt {
  since: number
  lastAt: number
  lookedAt?: number
  /** Sure, for whoever asks next as well. */
  isLost?: true
}

/** `now` in ms. */
export function createDoubtedClients(now: () => number): DoubtedClients {
  const doubts = new Map<string, Doubt>()
  /** An answer at their address was lost, and may have replaced the token that we ask there with (RFC 7592 §3). */
  const unanswered = new Set<string>()
  const keyOf = (provider: string, upstreamId: string) => JSON.stringify([provider, upstreamId])

  function doubt(key: string): Doubt {
    const before = doubts.get(key)
    const known = before && now() - before.lastAt < FORGOTTEN_AFTER_MS ? before : { since: now(), lastAt: now() }
    known.lastAt = now()
    doubts.set(key, known)
    dropOldest(doubts)
    return known
  }

  return {
    isDoubted: (provider, upstreamId) => doubts.has(keyOf(provider, upstreamId)),
    trust: (provider, upstreamId) => void doubts.delete(keyOf(provider, upstreamId)),
    async judge({ name, registration: at }, registration) {
      const key = keyOf(name, registration.clientId)
      const doubted = doubt(key)
      if (doubted.isLost) return 'lost'
      const { management } = registration
      if (at && management) {
        if (doubted.lookedAt !== undefined && now() - doubted.lookedAt < LOOK_AGAIN_MS) return 'doubted'
        doubted.lookedAt = now()
        const looked = await at.look({ ...registration, management })
        // The provider has shown meanwhile that it knows it.
        if (doubts.get(key) !== doubted) return 'doubted'
        if (looked.outcome === 'there') {
          unanswered.delete(key)
          doubted.since = now()
          return (looked.client && renewedBy(registration, looked.client)) ?? 'doubted'
        }
        if (looked.outcome === 'unknown') unanswered.add(key)
        dropOldest(unanswered)
        if (unanswered.has(key) && now() - doubted.since < CONFIRMED_AFTER_MS) return 'doubted'
      } else if (now() - doubted.since < CONFIRMED_AFTER_MS) return 'doubted'
      doubted.isLost = true
      return 'lost'
    },
  }
}

function dropOldest(keys: Map<string, unknown> | Set<string>): void {
  const [oldest] = keys.keys()
  if (keys.size > MAX_DOUBTED && oldest !== undefined) keys.delete(oldest)
}
