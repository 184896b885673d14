import { isPrivateHost } from './network.ts'
import type { ParsedGateway } from './schema.ts'

/** What works but is hardly meant so; each a sentence with a way out, for the log at start. */
export function findWarnings({ providers, routes }: ParsedGateway): string[] {
  const used = new Set(
    Object.values(routes).flatMap(({ sign_in, credential }) =>
      'provider' in credential ? [sign_in, credential.provider] : [sign_in],
    ),
  )
  return [
    ...Object.entries(routes).flatMap(([path, { upstream }]) =>
      upstream.protocol === 'http:' && !isPrivateHost(upstream.hostname)
        ? [
            `routes.${path}.upstream is http on a public name: credentials travel in the clear → use https, or a private address`,
          ]
        : [],
    ),
    // Then nobody can be asked about again (U-11): who is taken off a list stays until the grant ends.
    ...Object.entries(routes).flatMap(([path, { allow, sign_in }]) =>
      allow && sign_in !== undefined && asksOnlyOnce(providers[sign_in])
        ? [
            `routes.${path}.allow is asked at sign-in alone, because providers.${sign_in} gives no refresh tokens → shorten tokens.refresh_ttl, or sign in elsewhere`,
          ]
        : [],
    ),
    ...Object.keys(providers)
      .filter((name) => !used.has(name))
      .map((name) => `providers.${name} is not used by any route → name it in sign_in, or remove it`),
  ]
}

function asksOnlyOnce(provider: ParsedGateway['providers'][string] | undefined): boolean {
  if (provider === undefined || provider.type === 'password' || provider.refresh?.issued !== 'never') return false
  // The API of a plain OAuth 2.0 provider is asked with the access token; the answer to the code comes once.
  if (provider.type === 'oidc') return true
  const paths = Object.values(provider.identity).flat()
  return paths.some((path) => typeof path === 'string' && path.startsWith('token.'))
}
