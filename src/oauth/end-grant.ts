import { tokenProviderOf } from '../domain/credential.ts'
import type { Grant } from '../domain/grant.ts'
import type { CredentialPurpose, CredentialRow } from '../storage/store.ts'
import { openTokens } from '../vault.ts'
import type { AuthorizationServer } from './authorization-server.ts'

/**
 * Ends a grant, at once and for good; then gives its provider tokens back where that ends nothing else (RFC 7009, V-03).
 * Resolves to true for the caller that ended it. Rejects with StoreUnavailable; the provider's answer is not waited for.
 */
export async function endGrant(server: AuthorizationServer, grant: Grant): Promise<boolean> {
  const held: (readonly [CredentialPurpose, CredentialRow | undefined])[] = []
  for (const purpose of ['server', 'sign-in'] as const)
    held.push([purpose, await server.store.findCredential(grant.id, purpose)])
  const ended = await server.store.revokeGrant(grant.id)
  // What fails here leaves a token to run out by itself; the grant has ended either way.
  for (const [purpose, row] of ended ? held : [])
    if (row?.state === 'live') void giveBack(server, grant, purpose, row).catch(() => {})
  return ended
}

async function giveBack(
  server: AuthorizationServer,
  grant: Grant,
  purpose: CredentialPurpose,
  row: CredentialRow,
): Promise<void> {
  const route = server.routes.find(({ path }) => path === grant.routePath)
  const name = purpose === 'sign-in' ? route?.signIn : route && tokenProviderOf(route.credential)
  const provider = server.providers.get(name ?? '')
  // Some providers end everything that the user ever allowed us; other grants of theirs would go with it (C23).
  if (!provider?.revoke || provider.revocationEnds !== 'tokens') return
  const owner = { id: row.id, grantId: grant.id, routePath: grant.routePath, provider: provider.name }
  const tokens = await openTokens(server.vault, owner, row.sealed)
  const acting = await server.upstreamClients.recall(provider.name, grant.clientId, tokens.issuedTo)
  await acting?.provider.revoke?.(tokens)
}
