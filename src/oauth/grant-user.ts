import type { Grant } from '../domain/grant.ts'
import type { Identity } from '../domain/identity.ts'
import { decide } from '../domain/policy.ts'
import type { Route } from '../domain/route.ts'
import { isStillKnown } from '../providers/provider.ts'
import { CannotOpen, openIdentity } from '../vault.ts'
import type { AuthorizationServer } from './authorization-server.ts'

/** Who the user of a grant is; undefined when that was sealed with a key that was taken out: then they sign in anew. */
export async function userOf(server: AuthorizationServer, grant: Grant): Promise<Identity | undefined> {
  try {
    return await openIdentity(server.vault, grant)
  } catch (error) {
    if (error instanceof CannotOpen) return undefined
    throw error
  }
}

/** The user of a grant, if they may use its route as the configuration is now. */
export async function allowedUser(
  server: AuthorizationServer,
  route: Route,
  grant: Grant,
): Promise<Identity | undefined> {
  const identity = await userOf(server, grant)
  const isAllowed = identity && decide(route, identity).allowed && isStillKnown(server.providers, identity)
  return isAllowed ? identity : undefined
}
