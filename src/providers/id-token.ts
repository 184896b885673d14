import { createHash } from 'node:crypto'
import type { Claims } from './oidc-identity.ts'
import { ProviderTrouble, parseJsonObject } from './provider-http.ts'

/** The two members of a JOSE header (RFC 7515 §4.1) that matter here. */
export interface TokenHeader {
  readonly alg?: string
  readonly kid?: string
}

/** Asymmetric signatures only, with the hash that `at_hash` uses for each (OpenID Connect Core §3.1.3.6). */
const HASHES: ReadonlyMap<string, string> = new Map([
  ['RS256', 'sha256'],
  ['RS384', 'sha384'],
  ['RS512', 'sha512'],
  ['PS256', 'sha256'],
  ['PS384', 'sha384'],
  ['PS512', 'sha512'],
  ['ES256', 'sha256'],
  ['ES384', 'sha384'],
  ['ES512', 'sha512'],
  ['EdDSA', 'sha512'],
  ['Ed25519', 'sha512'],
])

/** The unverified header of a JWT, or undefined when there is none to read. */
export function readTokenHeader(token: string | undefined): TokenHeader | undefined {
  const encoded = token?.split('.')[0]
  const members = encoded ? parseJsonObject(Buffer.from(encoded, 'base64url').toString()) : undefined
  if (!members) return undefined
  const { alg, kid } = members
  return { ...(typeof alg === 'string' ? { alg } : {}), ...(typeof kid === 'string' ? { kid } : {}) }
}

/**
 * What OpenID Connect Core §3.1.3.7 asks for beyond signature, iss, aud, exp and nonce: an algorithm from our own list
 * whatever the metadata say, `azp` and `at_hash` where present. Throws {@link ProviderTrouble} `misconfigured`.
 */
export function checkIdToken(token: string, claims: Claims, clientId: string, accessToken: string): void {
  const hash = HASHES.get(readTokenHeader(token)?.alg ?? '')
  if (hash === undefined) throw new ProviderTrouble('misconfigured', 'id_token_algorithm_refused')
  if (claims.azp !== undefined && claims.azp !== clientId)
    throw new ProviderTrouble('misconfigured', 'id_token_authorized_party_mismatch')
  if (claims.at_hash === undefined) return
  const digest = createHash(hash).update(accessToken, 'ascii').digest()
  if (claims.at_hash !== digest.subarray(0, digest.length / 2).toString('base64url'))
    throw new ProviderTrouble('misconfigured', 'id_token_access_token_mismatch')
}
