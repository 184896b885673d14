import type { AuthorizationRequest } from '../domain/authorization-request.ts'
import type { Client } from '../domain/client.ts'
import { tokenProviderOf } from '../domain/credential.ts'
import type { SignInRoute } from '../domain/route.ts'
import { grantScopes } from '../domain/scope.ts'
import { factsOf } from '../domain/upstream-client.ts'
import type { Foreseen } from '../upstream-clients/upstream-clients.ts'
import type { AuthorizationServer } from './authorization-server.ts'

/** A provider that a route leads to, and as which application it will know the gateway there. */
export interface KnownAs {
  readonly provider: string
  readonly client: NonNullable<Extract<Foreseen, { outcome: 'foreseen' }>['client']>
}

/**
 * Routes that a user may be asked about: they exist, something of the requested scope remains (RFC 6749 §3.3), and no
 * provider on the way is closed to this client.
 */
export function offeredRoutes(
  server: AuthorizationServer,
  asked: AuthorizationRequest,
  client: Client,
): readonly SignInRoute[] {
  return server.routes.filter(
    (route) =>
      asked.routePaths.includes(route.path) &&
      grantScopes(asked.scope, route.scopes, route.defaultScopes).ok &&
      providersOf(route).every((provider) => foresee(server, provider, asked, client).outcome !== 'refused'),
  )
}

/** As which applications the providers of `routes` will know the gateway, each once. */
export function knownAs(
  server: AuthorizationServer,
  routes: readonly SignInRoute[],
  asked: AuthorizationRequest,
  client: Client,
): readonly KnownAs[] {
  return [...new Set(routes.flatMap(providersOf))].flatMap((provider) => {
    const foreseen = foresee(server, provider, asked, client)
    return foreseen.outcome === 'foreseen' && foreseen.client ? [{ provider, client: foreseen.client }] : []
  })
}

/** Where the user signs in, and then, if it is another one, whose token the MCP server gets. */
function providersOf({ signIn, credential }: SignInRoute): string[] {
  return [...new Set([signIn, tokenProviderOf(credential) ?? signIn])]
}

function foresee(
  server: AuthorizationServer,
  provider: string,
  { redirectUri }: AuthorizationRequest,
  client: Client,
): Foreseen {
  return server.upstreamClients.foresee(provider, factsOf(client, redirectUri))
}
