import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'

const BEARER = 'Bearer '

/** What callers present where no token can be had by signing in; as long as ours. */
export const SAME_TOKEN = 'mgh_at_a-token-of-the-usual-length-0123456789abcdef'

/** The check that every proxy of the comparison makes: SHA-256 of the token, looked up in a cache of open access. */
export function tokenCheck(token: string): (authorization: string | undefined) => boolean {
  const hash = (value: string) => createHash('sha256').update(value).digest('base64url')
  const open = new LRUCache<string, true>({ max: 10_000 })
  open.set(hash(token), true)
  return (authorization) =>
    authorization?.startsWith(BEARER) === true && open.get(hash(authorization.slice(BEARER.length))) === true
}
