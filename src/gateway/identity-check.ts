import type { Grant } from '../domain/grant.ts'
import { carryOver, type PartlyRead } from '../domain/identity.ts'
import { decide } from '../domain/policy.ts'
import type { Route } from '../domain/route.ts'
import type { IdentityOutcome, Provider, ReadIdentity } from '../providers/provider.ts'
import { openIdentity, sealIdentity } from '../vault.ts'
import type { Gateway } from './gateway.ts'

/**
 * Decides anew, on what the provider of a sign-in says about its user by now, whether the grant goes on (U-11). One that
 * does not ends with its streams. That the provider cannot be asked changes nothing, and what nobody says any more is
 * believed for a while. Resolves to `ended` when the grant has ended.
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
  if ('reason' in outcome)
    gateway.logger.warn({ grantId, provider: provider.name, reason: outcome.reason }, 'a user could not be asked about')
  if (outcome.outcome === 'unavailable') return 'kept'
  const part = partOf(outcome)
  const requiresIdToken = provider.requiresClaims === true && part.silent.includes('id_token')
  const isUnconfirmed = requiresIdToken || (outcome.outcome === 'refused' && route.allow !== undefined)
  const { identity, expired } = carryOver(before, part, { now: gateway.now(), isUnconfirmed })
  if (identity.subject !== before.subject) return end(gateway, grant, 'another_subject')
  const decision = decide(route, identity)
  if (!decision.allowed) return end(gateway, grant, expired ? 'not_confirmed' : decision.reason)
  if (expired && isUnconfirmed) return end(gateway, grant, 'not_confirmed')
  if (JSON.stringify(identity) === JSON.stringify(before)) return 'kept'
  // Whoever was faster has read it as lately.
  await gateway.store.replaceIdentity(
    grantId,
    grant.sealedIdentity,
    await sealIdentity(gateway.vault, grantId, identity),
  )
  return 'kept'
}

function partOf(outcome: ReadIdentity | { readonly outcome: 'refused' }): PartlyRead {
  if (outcome.outcome === 'partly-read') return outcome
  return outcome.outcome === 'read' ? { ...outcome, silent: [], unsaid: [] } : NOTHING
}

/** What is learned from a provider that vouches for nobody. */
const NOTHING: PartlyRead = { silent: ['id_token', 'api'], unsaid: ['email', 'name', 'groups'] }

async function end(gateway: Gateway, grant: Grant, reason: string): Promise<'ended'> {
  await gateway.grantEnds.end(grant, { reason })
  return 'ended'
}
