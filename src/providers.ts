import type { GatewayConfig, ProviderConfig } from './config/gateway-config.ts'
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
