import { tokenProviderOf } from '../domain/credential.ts'
import type { Grant } from '../domain/grant.ts'
import type { Route } from '../domain/route.ts'
import type { IssuedTo } from '../domain/upstream-client.ts'
import type { CredentialRow } from '../storage/records.ts'
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

/** What a grant comes with: the client of ours that its provider tokens were issued to, where it has such. */
export interface Holding {
  readonly issuedTo?: IssuedTo
}

/**
 * {@link isServedBy} for the credential that the store has of this grant, and whether its tokens are those of a client that
 * we still are; undefined if not. Rejects with StoreUnavailable.
 */
export async function findHolding(
  server: AuthorizationServer,
  route: Route,
  grant: Grant,
): Promise<Holding | undefined> {
  const provider = tokenProviderOf(route.credential)
  if (provider === undefined && route.credential.kind !== 'user-pat') return {}
  const { sharedCredentialId: shared } = grant
  const credential = await (shared === undefined
    ? server.store.findCredential(grant.id)
    : server.store.findCredentialById(shared))
  if (!credential || !isServedBy(route, grant, credential)) return undefined
  return provider === undefined ? {} : openHolding(server, provider, grant, credential)
}

/** Tokens open for the provider that they came from alone. */
async function openHolding(
  server: AuthorizationServer,
  provider: string,
  grant: Grant,
  row: CredentialRow,
): Promise<Holding | undefined> {
  try {
    const owner = { id: row.id, grantId: grant.id, routePath: grant.routePath, provider }
    const { issuedTo } = await openTokens(server.vault, owner, row.sealed)
    const acting = await server.upstreamClients.recall(provider, grant.clientId, issuedTo)
    return acting && (issuedTo === undefined ? {} : { issuedTo })
  } catch (error) {
    if (error instanceof CannotOpen) return undefined
    throw error
  }
}
