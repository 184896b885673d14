import { type OAuthFailure, oauthFailure } from '../domain/errors.ts'
import type { Grant } from '../domain/grant.ts'
import type { RequestParameters } from '../domain/request-parameters.ts'
import { findRouteByResource } from '../domain/route.ts'
import type { Secret } from '../domain/secret.ts'
import { mintToken } from '../domain/token.ts'
import type { AccessRow } from '../storage/records.ts'
import type { AuthorizationServer } from './authorization-server.ts'

/** A fresh access token for a grant, with the row to store. It never outlives the grant. */
export function accessFor(
  server: AuthorizationServer,
  grantId: string,
  scopes: readonly string[],
  grantEndsAt: number,
): { readonly token: Secret; readonly row: AccessRow; readonly expiresInSeconds: number } {
  const now = server.now()
  const { token, hash } = mintToken('access')
  const expiresAt = Math.min(now + server.lifetimes.accessTtlMs, grantEndsAt)
  return { token, row: { hash, grantId, scopes, expiresAt }, expiresInSeconds: Math.floor((expiresAt - now) / 1000) }
}

/** RFC 8707 §2.2: `resource` at the token endpoint must name the grant's route; absent means that one. */
export function checkResource(
  server: AuthorizationServer,
  parameters: RequestParameters,
  grant: Grant,
): OAuthFailure | undefined {
  const named = (parameters.get('resource') ?? []).filter((value) => value !== '')
  const isOther = named.some((resource) => findRouteByResource(server.routes, resource)?.path !== grant.routePath)
  return isOther ? oauthFailure('invalid_target', 'resource is not the one that was authorized') : undefined
}
