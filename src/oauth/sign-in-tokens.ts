import type { ProviderTokens } from '../domain/credential.ts'
import { parseTokens, serializeTokens, tokenProviderOf } from '../domain/credential.ts'
import type { AtProvider } from '../domain/interaction.ts'
import type { SignInRoute } from '../domain/route.ts'
import type { AuthorizationServer } from './authorization-server.ts'

/**
 * The tokens of a sign-in, as text for sealed places alone, where its provider has to be asked about the user again: the
 * route lets in whom a list names, or the provider whose claims have certain values. Undefined where nothing depends on
 * it, where there is no refresh token, and where the MCP server gets tokens of that provider anyway.
 */
export function tokensToKeep(
  server: AuthorizationServer,
  route: SignInRoute,
  { provider, upstreamClient: issuedTo }: AtProvider,
  tokens: ProviderTokens | undefined,
): string | undefined {
  if (!tokens?.refreshToken || tokenProviderOf(route.credential) === route.signIn) return undefined
  if (route.allow === undefined && !server.providers.get(provider)?.requiresClaims) return undefined
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
