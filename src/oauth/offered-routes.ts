import type { AuthorizationRequest } from '../domain/authorization-request.ts'
import type { Client } from '../domain/client.ts'
import { tokenProviderOf } from '../domain/credential.ts'
import type { SignInRoute } from '../domain/route.ts'
import { grantScopes } from '../domain/scope.ts'
import { factsOf } from '../domain/upstream-client.ts'
import type { ForeseenClient } from '../upstream-clients/upstream-clients.ts'
import type { AuthorizationServer } from './authorization-server.ts'

/** A provider that a route leads to, and as which application it will know the gateway there. */
export interface KnownAs {
  readonly provider: string
  readonly client: ForeseenClient
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
  const facts = factsOf(client, asked.redirectUri)
  return server.routes.filter(
    (route) =>
      asked.routePaths.includes(route.path) &&
      grantScopes(asked.scope, route.scopes, route.defaultScopes).ok &&
      providersOf(route).every((provider) => server.upstreamClients.admits(provider, facts)),
  )
}

/** As which applications the providers of `routes` will know the gateway, each once. Rejects with StoreUnavailable. */
export async function knownAs(
  server: AuthorizationServer,
  routes: readonly SignInRoute[],
  asked: AuthorizationRequest,
  client: Client,
): Promise<readonly KnownAs[]> {
  const facts = factsOf(client, asked.redirectUri)
  const foreseen = [...new Set(routes.flatMap(providersOf))].map(async (provider) => ({
    provider,
    client: await server.upstreamClients.foresee(provider, facts),
  }))
  return (await Promise.all(foreseen)).flatMap(({ provider, client: known }) =>
    known ? [{ provider, client: known }] : [],
  )
}

/** Where the user signs in, and then, if it is another one, whose token the MCP server gets. */
export function providersOf({ signIn, credential }: SignInRoute): string[] {
  return [...new Set([signIn, tokenProviderOf(credential) ?? signIn])]
}
