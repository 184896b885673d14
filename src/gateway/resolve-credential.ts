import type { FastifyRequest } from 'fastify'
import type { Route } from '../domain/route.ts'
import { circumstances } from '../http/circumstances.ts'
import type { RouteRefusal } from '../http/error-reply.ts'
import type { OpenAccess } from './access-cache.ts'
import { invalidToken } from './authenticate.ts'
import type { FreshCredentials } from './fresh-credential.ts'
import type { Gateway } from './gateway.ts'
import type { SignedJwt } from './signed-jwt.ts'

/** What to inject as `{credential}`, or why the request cannot be forwarded now. */
export type ResolvedCredential =
  | { readonly ok: true; readonly value: string | undefined }
  | { readonly ok: false; readonly reason: string; readonly refusal: RouteRefusal }

/** Where credentials come from that are not simply configured or stored. */
export interface CredentialSources {
  readonly credentials: FreshCredentials
  readonly signedJwt: SignedJwt
}

/** The credential of this user for this route. Only what a new sign-in could mend is answered with a 401. */
export async function resolveCredential(
  gateway: Gateway,
  { credentials, signedJwt }: CredentialSources,
  route: Route,
  access: OpenAccess,
): Promise<ResolvedCredential> {
  const rule = route.credential
  switch (rule.kind) {
    case 'none':
      return { ok: true, value: undefined }
    case 'static':
      return { ok: true, value: rule.value.reveal() }
    case 'signed-jwt':
      return { ok: true, value: await signedJwt(route, rule, access) }
    case 'user-pat':
      return usablePat(gateway, rule.label, access)
    case 'provider-token': {
      const fresh = await credentials.forAccess(access)
      if (fresh.outcome === 'fresh') return { ok: true, value: fresh.tokens.accessToken.reveal() }
      return fresh.outcome === 'ended'
        ? { ok: false, reason: 'credential_ended', refusal: invalidToken(gateway, route) }
        : { ok: false, reason: 'provider_unavailable', refusal: PROVIDER_AWAY }
    }
  }
}

/**
 * Notes that the MCP server refused a user's own token: nobody sends it again, and the user is asked for a new one at the
 * next sign-in. A 401 would only make clients sign in over and over with the same token.
 */
export async function noteRefusedPat(
  gateway: Gateway,
  route: Route,
  access: OpenAccess,
  request: FastifyRequest,
): Promise<void> {
  const { credential, identity, grant } = access
  if (credential?.kind !== 'user-pat') return
  if ((await gateway.store.killCredential(credential.row.id, credential.row.version)) === 'lost') return
  const { provider, subject, email } = identity
  const user = { provider, subject, ...(email === undefined ? {} : { email }) }
  gateway.audit({
    event: 'credential_refused',
    ...circumstances(request),
    user,
    routePath: route.path,
    grantId: grant.id,
  })
}

/** What a client is told whose user has to give a new token; it goes to the user as it stands. */
export function patRefused(label: string): RouteRefusal {
  return {
    status: 502,
    message: `the MCP server refused your ${label}: disconnect and connect this server again in your client, and give a new one`,
  }
}

function usablePat(gateway: Gateway, label: string, { credential }: OpenAccess): ResolvedCredential {
  const pat = credential?.kind === 'user-pat' && credential.row.state === 'live' ? credential.pat : undefined
  return pat && (pat.expiresAt === undefined || pat.expiresAt > gateway.now())
    ? { ok: true, value: pat.token.reveal() }
    : { ok: false, reason: 'credential_refused', refusal: patRefused(label) }
}

const PROVIDER_AWAY: RouteRefusal = { status: 503, message: 'the identity provider cannot be reached; try again later' }
