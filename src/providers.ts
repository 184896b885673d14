import type { GatewayConfig, ProviderConfig } from './config/gateway-config.ts'
import { tokenProviderOf } from './domain/credential.ts'
import type { GrantContext } from './gateway/fresh-credential.ts'
import { createOauth2Provider } from './providers/oauth2.ts'
import { createOidcProvider } from './providers/oidc.ts'
import { createPasswordProvider } from './providers/password.ts'
import type { Provider } from './providers/provider.ts'
import type { ProviderClients } from './upstream-clients/upstream-clients.ts'

/** The providers of the configuration, by name. Nothing is fetched yet: each reads its metadata when it is first needed. */
export function createProviders(config: Pick<GatewayConfig, 'providers'>): ReadonlyMap<string, Provider> {
  return new Map(config.providers.map((provider) => [provider.name, createProvider(provider)]))
}

/** The same providers with what the configuration says of our clients there. */
export function clientsOf(
  config: Pick<GatewayConfig, 'providers'>,
  providers: ReadonlyMap<string, Provider>,
): ReadonlyMap<string, ProviderClients> {
  return new Map(
    config.providers.flatMap((described) => {
      const provider = providers.get(described.name)
      return provider ? [[described.name, { provider, ...ownClients(described) }]] : []
    }),
  )
}

/** What the configuration says about a grant now: its route, and the providers of its credential and its sign-in. */
export function grantContext(config: GatewayConfig, providers: ReadonlyMap<string, Provider>): GrantContext {
  const routes = new Map(config.routes.map((route) => [route.path, route]))
  return {
    routeOf: (path) => routes.get(path),
    providerOf({ routePath }, purpose) {
      const route = routes.get(routePath)
      const name = purpose === 'sign-in' ? route?.signIn : route && tokenProviderOf(route.credential)
      return providers.get(name ?? '')
    },
  }
}

function ownClients(provider: ProviderConfig): Omit<ProviderClients, 'provider'> {
  if (provider.type === 'password') return { rules: { mode: 'shared' } }
  const { clientId, clientSecret, upstreamClients: rules } = provider
  return { shared: { kind: 'shared', clientId, ...(clientSecret ? { clientSecret } : {}) }, rules }
}

function createProvider(provider: ProviderConfig): Provider {
  switch (provider.type) {
    case 'oidc':
      return createOidcProvider(provider)
    case 'oauth2':
      return createOauth2Provider(provider)
    case 'password':
      return createPasswordProvider(provider)
  }
}
