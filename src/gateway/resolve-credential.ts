import type { FastifyRequest } from 'fastify'
import type { Route } from '../domain/route.ts'
import { circumstances } from '../http/circumstances.ts'
import type { RouteRefusal } from '../http/error-reply.ts'
import type { OpenAccess } from './access-cache.ts'
import { invalidToken } from './authenticate.ts'
import type { ExchangedTokens, ServerToken } from './exchanged-token.ts'
import type { FreshCredentials } from './fresh-credential.ts'
import type { Gateway } from './gateway.ts'
import type { FreshToken } from './refresh-flights.ts'
import type { SignedJwt } from './signed-jwt.ts'

/** What to inject as `{credential}`, or why the request cannot be forwarded now. */
export type ResolvedCredential =
  | { readonly ok: true; readonly value: string | undefined }
  | { readonly ok: false; readonly reason: string; readonly refusal: RouteRefusal }

/** Where credentials come from that are not simply configured or stored. */
export interface CredentialSources {
  readonly credentials: FreshCredentials
  readonly exchanged: ExchangedTokens
  readonly signedJwt: SignedJwt
}

/** The credential of this user for this route, at once where nobody is asked. Only what a new sign-in could mend is answered with a 401. */
export function resolveCredential(
  gateway: Gateway,
  { credentials, exchanged, signedJwt }: CredentialSources,
  route: Route,
  access: OpenAccess,
): ResolvedCredential | Promise<ResolvedCredential> {
  const rule = route.credential
  switch (rule.kind) {
    case 'none':
      return { ok: true, value: undefined }
    case 'static':
      return { ok: true, value: rule.value.reveal() }
    case 'signed-jwt':
      return signedJwt(route, rule, access).then((value) => ({ ok: true, value }))
    case 'user-pat':
      return usablePat(gateway, rule.label, access)
    case 'provider-token':
      return credentials.forAccess(access).then((fresh) => fromProvider(gateway, route, fresh))
    case 'token-exchange':
      return exchanged.forAccess(route, rule, access).then((issued) => fromExchange(gateway, route, issued))
  }
}

/** A newer credential after the MCP server refused `refused` (S-09); undefined when there is none to be had. */
export async function renewCredential(
  gateway: Gateway,
  { credentials, exchanged }: CredentialSources,
  route: Route,
  access: OpenAccess,
  refused: string,
): Promise<ResolvedCredential | undefined> {
  const rule = route.credential
  switch (rule.kind) {
    case 'provider-token': {
      const renewed = await credentials.afterRefusal(access)
      return renewed.outcome === 'unavailable' ? undefined : fromProvider(gateway, route, renewed)
    }
    case 'token-exchange': {
      const renewed = await exchanged.afterRefusal(route, rule, access, refused)
      return renewed && fromExchange(gateway, route, renewed)
    }
    case 'none':
    case 'static':
    case 'signed-jwt':
    case 'user-pat':
      return undefined
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

function fromProvider(gateway: Gateway, route: Route, fresh: FreshToken): ResolvedCredential {
  if (fresh.outcome === 'fresh') return { ok: true, value: fresh.tokens.accessToken.reveal() }
  return fresh.outcome === 'ended'
    ? { ok: false, reason: 'credential_ended', refusal: invalidToken(gateway, route) }
    : { ok: false, reason: 'provider_unavailable', refusal: PROVIDER_AWAY }
}

function fromExchange(gateway: Gateway, route: Route, issued: ServerToken): ResolvedCredential {
  switch (issued.outcome) {
    case 'exchanged':
      return { ok: true, value: issued.token.reveal() }
    case 'ended':
      return { ok: false, reason: 'credential_ended', refusal: invalidToken(gateway, route) }
    case 'unavailable':
      return { ok: false, reason: 'provider_unavailable', refusal: PROVIDER_AWAY }
    case 'subject_refused':
    case 'interaction_required':
    case 'misconfigured':
      return { ok: false, reason: `exchange_${issued.outcome}`, refusal: NOT_EXCHANGED[issued.outcome] }
  }
}

function usablePat(gateway: Gateway, label: string, { credential }: OpenAccess): ResolvedCredential {
  const pat = credential?.kind === 'user-pat' && credential.row.state === 'live' ? credential.pat : undefined
  return pat && (pat.expiresAt === undefined || pat.expiresAt > gateway.now())
    ? { ok: true, value: pat.token.reveal() }
    : { ok: false, reason: 'credential_refused', refusal: patRefused(label) }
}

const PROVIDER_AWAY: RouteRefusal = { status: 503, message: 'the identity provider cannot be reached; try again later' }

/** What only people can mend; it goes to the user as it stands. A 401 would make clients sign in over and over. */
const NOT_EXCHANGED: Readonly<Record<'subject_refused' | 'interaction_required' | 'misconfigured', RouteRefusal>> = {
  subject_refused: {
    status: 502,
    message:
      'the identity provider does not take your sign-in as proof for this server: ask the administrator of this gateway',
  },
  interaction_required: {
    status: 403,
    message:
      'the identity provider wants your consent, or a further proof that it is you, before it issues a token for this ' +
      'server: disconnect and connect this server again in your client, or ask your administrator to consent for you',
  },
  misconfigured: {
    status: 502,
    message:
      'the identity provider issues no token for this server to this gateway: its administrator has to correct the ' +
      'credential of this route, or what the provider allows the gateway',
  },
}
