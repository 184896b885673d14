import { tokenProviderOf } from '../domain/credential.ts'
import type { Grant } from '../domain/grant.ts'
import type { Route } from '../domain/route.ts'
import type { CredentialRow } from '../storage/store.ts'
import { CannotOpen, openTokens } from '../vault.ts'
import type { AuthorizationServer } from './authorization-server.ts'

/**
 * Whether a grant comes with what its route gives to its server now. Operators change routes: tokens of a grant without
 * it would be refused there, however often they are refreshed, and only a new sign-in helps.
 */
export function isServedBy(
  route: Route,
  grant: Pick<Grant, 'sharedCredentialId'>,
  credential: Pick<CredentialRow, 'id' | 'state'> | undefined,
): boolean {
  switch (route.credential.kind) {
    case 'provider-token':
    case 'token-exchange':
      return credential?.state === 'live'
    case 'user-pat':
      return credential !== undefined && credential.id === grant.sharedCredentialId
    case 'none':
    case 'static':
    case 'signed-jwt':
      return true
  }
}

/** {@link isServedBy} for the credential that the store has of this grant. Rejects with StoreUnavailable. */
export async function holdsCredential(server: AuthorizationServer, route: Route, grant: Grant): Promise<boolean> {
  const provider = tokenProviderOf(route.credential)
  if (provider === undefined && route.credential.kind !== 'user-pat') return true
  const { sharedCredentialId: shared } = grant
  const credential = await (shared === undefined
    ? server.store.findCredential(grant.id)
    : server.store.findCredentialById(shared))
  if (!isServedBy(route, grant, credential)) return false
  return provider === undefined || credential === undefined || isOf(server, provider, grant, credential)
}

/** Whether stored tokens are those of that provider: they open for no other. */
async function isOf(server: AuthorizationServer, provider: string, grant: Grant, row: CredentialRow): Promise<boolean> {
  try {
    await openTokens(server.vault, { id: row.id, grantId: grant.id, routePath: grant.routePath, provider }, row.sealed)
    return true
  } catch (error) {
    if (error instanceof CannotOpen) return false
    throw error
  }
}
