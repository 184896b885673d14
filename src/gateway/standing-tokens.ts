import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { HeldTokens } from '../domain/credential.ts'
import type { Grant } from '../domain/grant.ts'
import type { Route } from '../domain/route.ts'
import type { Provider } from '../providers/provider.ts'
import type { Gateway } from './gateway.ts'
import { checkIdentity } from './identity-check.ts'
import type { RefreshPace } from './refresh-pace.ts'

type Answer = Promise<'kept' | 'ended'>

/** Asks about users whose provider gave no refresh token, with the access token of their sign-in, which has no end. */
export interface StandingTokens {
  /** Whether the grant goes on; asks at most once a minute, whatever comes of it. `ended` with the grant. Never rejects. */
  ask(grant: Grant, provider: Provider, held: HeldTokens): Answer
}

/** A user who was asked about so lately is not asked about again. */
const ASKED_YOUNG_MS = 60_000
/** How long a caller waits for an answer, which counts all the same when it comes (C25). */
const PATIENCE_MS = 10_000
const MAX_ASKED = 10_000

export function createStandingTokens(
  gateway: Gateway,
  pace: RefreshPace,
  routeOf: (path: string) => Route | undefined,
): StandingTokens {
  const asked = new LRUCache<string, { readonly at: number; readonly answer: Answer }>({ max: MAX_ASKED })

  async function ask(grant: Grant, provider: Provider, held: HeldTokens): Promise<'kept' | 'ended'> {
    try {
      // Under another client's name nothing is asked (see recall): the user signs in again.
      if (!(await gateway.upstreamClients.recall(provider.name, grant.clientId, held.issuedTo))) {
        await gateway.grantEnds.end(grant, { reason: 'upstream_client_changed' })
        return 'ended'
      }
      const identify = provider.identify?.bind(provider, held.accessToken)
      if (!identify) return 'kept'
      const check = () => checkIdentity(gateway, routeOf(grant.routePath), grant.id, provider, identify)
      return await pace.enter(provider.name, check)
    } catch (error) {
      gateway.logger.error({ err: error, grantId: grant.id }, 'a user could not be checked again')
      return 'kept'
    }
  }

  function patiently(answer: Answer): Answer {
    return Promise.race([answer, sleep(PATIENCE_MS, 'kept' as const, { ref: false })])
  }

  return {
    ask(grant, provider, held) {
      const last = asked.get(grant.id)
      const now = gateway.now()
      // A clock that was set back makes nothing young.
      if (last && Math.abs(now - last.at) < ASKED_YOUNG_MS) return patiently(last.answer)
      if (Math.abs(now - held.obtainedAt) < ASKED_YOUNG_MS) return Promise.resolve('kept')
      const answer = ask(grant, provider, held)
      asked.set(grant.id, { at: now, answer })
      return patiently(answer)
    },
  }
}
