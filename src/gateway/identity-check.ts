import type { Grant } from '../domain/grant.ts'
import { decide } from '../domain/policy.ts'
import type { Route } from '../domain/route.ts'
import type { IdentityOutcome, Provider } from '../providers/provider.ts'
import { openIdentity, sealIdentity } from '../vault.ts'
import type { Gateway } from './gateway.ts'
import { revokeFor } from './refresh-turn.ts'

/**
 * Decides anew, on what the provider of a sign-in says about its user by now, whether the grant goes on (U-11). One that
 * does not ends with its streams. Trouble in learning it changes nothing. Resolves to `ended` when the grant has ended.
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
  if (outcome.outcome !== 'read') {
    if (outcome.outcome === 'denied') return end(gateway, grant, outcome.reason)
    gateway.logger.warn({ grantId, provider: provider.name, reason: outcome.reason }, 'a user could not be asked about')
    return 'kept'
  }
  const { identity } = outcome
  if (identity.subject !== before.subject) return end(gateway, grant, 'another_subject')
  const decision = decide(route, identity)
  if (!decision.allowed) return end(gateway, grant, decision.reason)
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
  await revokeFor(gateway, grant, reason)
  return 'ended'
}
