import { deadlineIn } from './deadline.ts'
import { isLoopback } from './oidc-metadata.ts'
import { fetchWhole, ProviderTrouble, parseJsonObject } from './provider-http.ts'

const TIMEOUT_MS = 5000

/**
 * Where an authorization server publishes its keys, from its metadata (RFC 8414 §3, OpenID Connect Discovery §4). Rejects
 * with {@link ProviderTrouble} when it cannot be learned, or when the metadata is somebody else's.
 */
export async function readIssuerKeys(issuer: string): Promise<URL> {
  const deadline = deadlineIn(TIMEOUT_MS)
  for (const address of wellKnown(new URL(issuer))) {
    const options = {
      method: 'GET',
      headers: { accept: 'application/json' },
      redirect: 'manual',
      body: undefined,
    } as const
    const response = await fetchWhole(fetch, address, options, deadline)
    if (response.status !== 200) continue
    const metadata = parseJsonObject(await response.text())
    if (metadata?.issuer !== issuer || typeof metadata.jwks_uri !== 'string') continue
    const keys = new URL(metadata.jwks_uri)
    if (keys.protocol === 'https:' || isLoopback(keys)) return keys
  }
  throw new ProviderTrouble('unavailable', 'issuer_metadata')
}

/** RFC 8414 puts the well-known part before the issuer's path, OpenID Connect behind it. */
function wellKnown({ origin, pathname }: URL): string[] {
  const path = pathname === '/' ? '' : pathname.replace(/\/$/, '')
  return [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
  ]
}
