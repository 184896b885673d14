import type { ProviderConfig } from './config/gateway-config.ts'
import { type Store, StoreRefused } from './storage/store.ts'
import type { Vault } from './vault.ts'

/**
 * Whether this configuration may go on with this database. Rejects with StoreRefused, whose message says what to do: with
 * other keys every sign-in would be lost in silence, and under the name of another provider its users would be taken for
 * those of the former one.
 */
export async function checkDatabase(store: Store, vault: Vault, providers: readonly ProviderConfig[]): Promise<void> {
  await checkKeys(store, vault)
  for (const provider of providers) await checkProvider(store, provider)
}

async function checkKeys(store: Store, vault: Vault): Promise<void> {
  const context = { purpose: 'key-check', owner: [] } as const
  const fresh = await vault.seal('gatehouse', context)
  const sealed = await store.rememberOnce('key-check', fresh)
  try {
    await vault.open(sealed, context)
  } catch {
    throw new StoreRefused(
      'this database was written with other encryption keys: add the key it was written with to encryption_keys (older keys go last), or use another database',
    )
  }
  // Sealed anew with the newest key, so that the older ones can be taken out one day.
  await store.remember('key-check', fresh)
}

async function checkProvider(store: Store, provider: ProviderConfig): Promise<void> {
  const place = placeOf(provider)
  if ((await store.rememberOnce(`provider ${provider.name}`, place)) === place) return
  throw new StoreRefused(
    `providers.${provider.name} was another provider when this database was begun, and its users would be mixed up with the former ones: give the new provider a name of its own, or use another database`,
  )
}

/** What makes a provider the one that it is: subjects are unique there and nowhere else. */
function placeOf(provider: ProviderConfig): string {
  if (provider.type === 'oidc') return provider.issuer
  return provider.type === 'oauth2' ? provider.tokenEndpoint : 'password'
}
