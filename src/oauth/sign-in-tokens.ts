import type { ProviderTokens } from '../domain/credential.ts'
import { parseTokens, serializeTokens, tokenProviderOf } from '../domain/credential.ts'
import type { AtProvider, SignInStage } from '../domain/interaction.ts'
import type { SignInRoute } from '../domain/route.ts'
import type { InteractionRow } from '../storage/records.ts'
import type { Store } from '../storage/store.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { openInteractionRow } from './interactions.ts'

/**
 * The tokens of a sign-in, as text for sealed places alone, where its provider has to be asked about the user again: the
 * route lets in whom a list names, or the provider whose claims have certain values. Undefined where nothing depends on
 * it, where they would be of no use for that, and where the MCP server gets tokens of that provider anyway.
 */
export function tokensToKeep(
  server: AuthorizationServer,
  route: SignInRoute,
  { provider, upstreamClient: issuedTo }: AtProvider,
  tokens: ProviderTokens | undefined,
): string | undefined {
  if (!tokens || tokenProviderOf(route.credential) === route.signIn) return undefined
  const at = server.providers.get(provider)
  if (route.allow === undefined && !at?.requiresClaims) return undefined
  // Without a refresh token the access token itself is asked with, if it has no end.
  if (!tokens.refreshToken && (tokens.expiresAt !== undefined || !at?.identify)) return undefined
  return serializeTokens({ ...tokens, obtainedAt: server.now(), ...(issuedTo === undefined ? {} : { issuedTo }) })
}

/** Reads what {@link tokensToKeep} wrote, with the provider and the client that they were issued to. */
export function keptTokens(
  route: SignInRoute,
  text: string,
): { readonly at: AtProvider; readonly tokens: ProviderTokens } {
  const { issuedTo, ...tokens } = parseTokens(text)
  return { at: { provider: route.signIn, ...(issuedTo === undefined ? {} : { upstreamClient: issuedTo }) }, tokens }
}

/** Gives back what is held by grants that have ended, and by interactions that nobody finished; waits for nobody. */
export function discardEnded(
  server: AuthorizationServer,
  { interactions, grants }: Awaited<ReturnType<Store['takeEnded']>>,
): void {
  void server.grantEnds.settle(grants)
  for (const row of interactions) void discardAbandoned(server, row)
}

async function discardAbandoned(server: AuthorizationServer, row: InteractionRow): Promise<void> {
  // Sealed with a key that was taken out: nobody can.
  const interaction = await openInteractionRow(server, row).catch(() => undefined)
  if (interaction && 'signInTokens' in interaction) discardTokens(server, interaction)
}

/** What a sign-in has brought so far. */
type Brought = Pick<SignInStage, 'request' | 'routePath' | 'signInTokens'>

/** Gives back the tokens of a sign-in that leads to nothing (V-03); waits for nobody. `last` are those of its last leg. */
export function discardTokens(
  server: AuthorizationServer,
  { request: { clientId }, routePath, signInTokens }: Brought,
  last?: { readonly at: AtProvider; readonly tokens: ProviderTokens | undefined },
): void {
  const route = server.routes.find(({ path }) => path === routePath)
  const kept = route && signInTokens !== undefined ? [keptTokens(route, signInTokens)] : []
  for (const { at, tokens } of last ? [...kept, last] : kept) {
    const { provider, upstreamClient: issuedTo } = at
    const issued = tokens && { provider, tokens: { ...tokens, ...(issuedTo === undefined ? {} : { issuedTo }) } }
    if (issued) void server.grantEnds.giveBack(clientId, issued)
  }
}
