import type { GatewayConfig } from './config/gateway-config.ts'
import { createOidcProvider } from './providers/oidc.ts'
import { createPasswordProvider } from './providers/password.ts'
import type { Provider } from './providers/provider.ts'

/** The providers of the configuration, by name. Nothing is fetched yet: each reads its metadata when it is first needed. */
export function createProviders(config: Pick<GatewayConfig, 'providers'>): ReadonlyMap<string, Provider> {
  return new Map(
    config.providers.map((provider) => [
      provider.name,
      provider.type === 'oidc' ? createOidcProvider(provider, {}) : createPasswordProvider(provider),
    ]),
  )
}
