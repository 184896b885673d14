import type { Identity } from '../domain/identity.ts'
import { decide } from '../domain/policy.ts'
import type { Route } from '../domain/route.ts'
import { isStillKnown } from '../providers/provider.ts'
import type { AuthorizationServer } from './authorization-server.ts'

/** Whether a user who signed in before may use the route as the configuration is now. */
export function isAllowed(server: AuthorizationServer, route: Route, identity: Identity): boolean {
  return decide(route, identity).allowed && isStillKnown(server.providers, identity)
}
