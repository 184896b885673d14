import { deadlineIn } from './deadline.ts'
import { isAcceptable } from './oidc-metadata.ts'
import { fetchWhole, ProviderTrouble, parseJsonObject } from './provider-http.ts'

const TIMEOUT_MS = 5000

/**
 * The JWK Set (RFC 7517 §5) of an authorization server, from where its metadata have it (RFC 8414 §3, OpenID Connect
 * Discovery §4). Rejects with {@link ProviderTrouble} when it cannot be had, or when the metadata is somebody else's.
 */
export async function readIssuerKeys(issuer: string): Promise<Readonly<Record<string, unknown>>> {
  const deadline = deadlineIn(TIMEOUT_MS)
  for (const address of wellKnown(new URL(issuer))) {
    const metadata = await getJson(address, deadline)
    if (metadata?.issuer !== issuer || !isAcceptable(new URL(issuer), metadata.jwks_uri)) continue
    const keys = await getJson(metadata.jwks_uri, deadline)
    if (keys) return keys
    throw new ProviderTrouble('unavailable', 'issuer_keys')
  }
  throw new ProviderTrouble('unavailable', 'issuer_metadata')
}

/** The JSON object at `address`; undefined when there is something else, or nothing. */
async function getJson(address: string, deadline: AbortSignal) {
  const options = {
    method: 'GET',
    headers: { accept: 'application/json' },
    redirect: 'manual',
    body: undefined,
  } as const
  const response = await fetchWhole(fetch, address, options, deadline)
  return response.status === 200 ? parseJsonObject(await response.text()) : undefined
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
