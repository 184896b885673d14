import type { AuthorizationRequest } from '../domain/authorization-request.ts'
import type { Client } from '../domain/client.ts'
import { tokenProviderOf } from '../domain/credential.ts'
import type { Identity } from '../domain/identity.ts'
import { describeRedirectUri } from '../domain/redirect-uri.ts'
import type { SignInRoute } from '../domain/route.ts'
import { grantScopes } from '../domain/scope.ts'
import { hashToken } from '../domain/token.ts'
import { factsOf } from '../domain/upstream-client.ts'
import type { ConsentKey } from '../http/remembered-consent.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { providersOf } from './offered-routes.ts'

/**
 * The question that a consent answers, or undefined where it must be asked every time: for clients that live on loopback
 * or a private scheme, since any program on the computer could be behind them, and for requests that leave the server open.
 */
export function consentKey(
  { upstreamClients }: Pick<AuthorizationServer, 'upstreamClients'>,
  asked: AuthorizationRequest,
  client: Client,
  route: SignInRoute,
): ConsentKey | undefined {
  const isWeb = [asked.redirectUri, ...client.redirectUris].every((uri) => describeRedirectUri(uri).kind === 'https')
  const scopes = grantScopes(asked.scope, route.scopes, route.defaultScopes)
  if (!isWeb || !scopes.ok || asked.routePaths.length !== 1) return undefined
  const { clientName, clientUri, redirectUris, tokenEndpointAuthMethod, keys, scope, origin } = client
  return {
    clientId: client.clientId,
    redirectUri: asked.redirectUri,
    routePath: route.path,
    scopes: scopes.value,
    clientHash: hashToken(
      JSON.stringify([
        clientName,
        clientUri,
        redirectUris,
        tokenEndpointAuthMethod,
        keys,
        scope,
        origin,
        route.signIn,
        whatIsGiven(route),
        providersOf(route).map((provider) => upstreamClients.markOf(provider, factsOf(client, asked.redirectUri))),
      ]),
    ),
  }
}

/** What the consent page says that the server gets, and where the server is. */
function whatIsGiven({ credential, upstream }: SignInRoute): readonly string[] {
  const target = credential.kind === 'token-exchange' ? [JSON.stringify(credential.request)] : []
  const notice = credential.kind === 'static' && credential.notice !== undefined ? [credential.notice] : []
  return [credential.kind, tokenProviderOf(credential) ?? '', upstream.origin, ...target, ...notice]
}

/** The user of a remembered consent, as the browser may keep it. */
export function ownerOf(identity: Identity): string {
  return hashToken(JSON.stringify([identity.provider, identity.subject]))
}
