import { randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Identity } from '../domain/identity.ts'
import type { Route } from '../domain/route.ts'
import type { OpenAccess } from './access-cache.ts'
import type { SigningKeys } from './signing-keys.ts'

/** Share of its life during which a statement is sent again instead of signing a new one. */
const REUSE_UNTIL = 0.5
const MAX_REMEMBERED = 10_000

interface Remembered {
  readonly jwt: string
  /** Whom it is about, as far as was known then: whoever was asked about again since gets another one. */
  readonly identity: Identity
  /** ms since 1970. */
  readonly until: number
}

/** Statements about the user of a request, for servers that trust this gateway's keys. */
export type SignedJwt = (
  route: Route,
  rule: { readonly audience: string; readonly lifetimeMs: number },
  access: OpenAccess,
) => Promise<string>

/** Signs one statement for each access token every now and then; signing on each request would cost more than the check. */
export function createSignedJwt(issuer: string, keys: SigningKeys, now: () => number): SignedJwt {
  const remembered = new LRUCache<string, Remembered>({ max: MAX_REMEMBERED })
  return async (route, rule, { access, grant, identity }) => {
    const present = remembered.get(access.hash)
    if (present?.identity === identity && present.until > now()) return present.jwt
    const jwt = await keys.sign(
      {
        iss: issuer,
        aud: rule.audience,
        // Subjects are unique only within their provider (OpenID Connect Core §5.7).
        sub: identity.subject,
        idp: identity.provider,
        client_id: grant.clientId,
        resource: route.resource,
        scope: access.scopes.join(' '),
        jti: randomUUID(),
        ...(identity.email === undefined ? {} : { email: identity.email, email_verified: true }),
        ...(identity.name === undefined ? {} : { name: identity.name }),
        ...(identity.groups.length === 0 ? {} : { groups: identity.groups }),
      },
      rule.lifetimeMs,
    )
    remembered.set(access.hash, { jwt, identity, until: now() + rule.lifetimeMs * REUSE_UNTIL })
    return jwt
  }
}
