import { fail, ok, type Result } from './result.ts'

/** The public half of a client's key (RFC 7517 §4, RFC 7518 §6); nothing else of what it published is kept. */
export interface PublicJwk {
  readonly kty: 'RSA' | 'EC' | 'OKP'
  readonly kid?: string
  readonly alg?: string
  readonly use?: string
  readonly n?: string
  readonly e?: string
  readonly crv?: string
  readonly x?: string
  readonly y?: string
}

/** Where a client's keys are: given once and for all, or published at an https address of its own. */
export type PublicKeys =
  | { readonly kind: 'jwks'; readonly jwks: readonly PublicJwk[] }
  | { readonly kind: 'jwks_uri'; readonly url: string }

const MAX_KEYS = 20
const MAX_URL_LENGTH = 2048
const KEY_TYPES: readonly unknown[] = ['RSA', 'EC', 'OKP']
const KEPT = ['kty', 'kid', 'alg', 'use', 'n', 'e', 'crv', 'x', 'y'] as const
/** Members that only a private or symmetric key has (RFC 7518 §6.2.2, §6.3.2, §6.4). */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/**
 * The keys of a JWK Set (RFC 7517 §5). Keys of other types are ignored; a private or symmetric one spoils the whole set,
 * because whoever published it has lost it. Fails with a constant sentence.
 */
export function parseJwks(value: unknown): Result<readonly PublicJwk[], string> {
  const keys = isRecord(value) ? value.keys : undefined
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > MAX_KEYS || !keys.every(isRecord))
    return fail('jwks must be a JWK Set of 1 to 20 keys')
  if (keys.some((key) => key.kty === 'oct' || PRIVATE.some((member) => key[member] !== undefined)))
    return fail('jwks may hold public keys only')
  const usable = keys.filter((key) => KEY_TYPES.includes(key.kty)).map(publicHalf)
  return usable.length > 0 ? ok(usable) : fail('jwks holds no key of type RSA, EC or OKP')
}

/**
 * The keys that client metadata names (RFC 7591 §2): `jwks` or `jwks_uri`, not both; undefined when there is neither.
 * Fails with a constant sentence.
 */
export function parsePublicKeys(metadata: Readonly<Record<string, unknown>>): Result<PublicKeys | undefined, string> {
  const [jwks, url] = [metadata.jwks ?? undefined, metadata.jwks_uri ?? undefined]
  if (jwks !== undefined && url !== undefined) return fail('use jwks or jwks_uri, not both')
  if (url !== undefined) {
    return typeof url === 'string' && isKeyAddress(url)
      ? ok({ kind: 'jwks_uri', url })
      : fail('jwks_uri must be an https URL without fragment or user information')
  }
  if (jwks === undefined) return ok(undefined)
  const keys = parseJwks(jwks)
  return keys.ok ? ok({ kind: 'jwks', jwks: keys.value }) : keys
}

function isKeyAddress(text: string): boolean {
  if (text.length > MAX_URL_LENGTH || !/^https:\/\/[\x21\x24-\x7e]+$/.test(text) || !URL.canParse(text)) return false
  const url = new URL(text)
  return url.href === text && url.username === '' && url.password === '' && url.hash === ''
}

function publicHalf(key: Record<string, unknown>): PublicJwk {
  const kept = KEPT.flatMap((name) => (typeof key[name] === 'string' ? [[name, key[name]]] : []))
  return Object.fromEntries(kept)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
