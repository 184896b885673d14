import type { Grant } from '../domain/grant.ts'
import { carryOver, type PartlyRead } from '../domain/identity.ts'
import { decide } from '../domain/policy.ts'
import type { Route } from '../domain/route.ts'
import type { IdentityOutcome, Provider } from '../providers/provider.ts'
import { openIdentity, sealIdentity } from '../vault.ts'
import type { Gateway } from './gateway.ts'

/**
 * Decides anew, on what the provider of a sign-in says about its user by now, whether the grant goes on (U-11). One that
 * does not ends with its streams. Trouble in learning it changes nothing, and what nobody says any more is believed for a
 * while. Resolves to `ended` when the grant has ended.
 */
export async function checkIdentity(
  gateway: Gateway,
  route: Route | undefined,
  grantId: string,
  provider: Provider,
  identify: () => Promise<IdentityOutcome>,
): Promise<'kept' | 'ended'> {
  const grant = await gateway.store.findGrant(grantId)
  if (!route || grant?.status !== 'active') return 'kept'
  const before = await openIdentity(gateway.vault, grant)
  // The tokens of a second provider say nothing about who signed in.
  if (before.provider !== provider.name) return 'kept'
  const outcome = await identify()
  if (outcome.outcome === 'denied') return end(gateway, grant, outcome.reason)
  if (outcome.outcome === 'unavailable') {
    gateway.logger.warn({ grantId, provider: provider.name, reason: outcome.reason }, 'a user could not be asked about')
    return 'kept'
  }
  const part: PartlyRead = outcome.outcome === 'partly-read' ? outcome : { ...outcome, silent: [], unsaid: [] }
  const requiresIdToken = provider.requiresClaims === true && part.silent.includes('id_token')
  const { identity, expired } = carryOver(before, part, { now: gateway.now(), requiresIdToken })
  if (identity.subject !== before.subject) return end(gateway, grant, 'another_subject')
  const decision = decide(route, identity)
  if (!decision.allowed) return end(gateway, grant, expired ? 'not_confirmed' : decision.reason)
  if (expired && requiresIdToken) return end(gateway, grant, 'not_confirmed')
  if (JSON.stringify(identity) === JSON.stringify(before)) return 'kept'
  // Whoever was faster has read it as lately.
  await gateway.store.replaceIdentity(
    grantId,
    grant.sealedIdentity,
    await sealIdentity(gateway.vault, grantId, identity),
  )
  return 'kept'
}

async function end(gateway: Gateway, grant: Grant, reason: string): Promise<'ended'> {
  await gateway.grantEnds.end(grant, { reason })
  return 'ended'
}
