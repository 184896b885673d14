import type { GatewayConfig, ProviderConfig } from './config/gateway-config.ts'
import { createOauth2Provider } from './providers/oauth2.ts'
import { createOidcProvider } from './providers/oidc.ts'
import { createPasswordProvider } from './providers/password.ts'
import type { Provider } from './providers/provider.ts'

/** The providers of the configuration, by name. Nothing is fetched yet: each reads its metadata when it is first needed. */
export function createProviders(config: Pick<GatewayConfig, 'providers'>): ReadonlyMap<string, Provider> {
  return new Map(config.providers.map((provider) => [provider.name, createProvider(provider)]))
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
