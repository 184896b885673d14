import type { FastifyReply, FastifyRequest } from 'fastify'
import { auditedClient, auditedUser } from '../audit.ts'
import { oauthFailure } from '../domain/errors.ts'
import type { Grant } from '../domain/grant.ts'
import type { SignInStage } from '../domain/interaction.ts'
import { decide } from '../domain/policy.ts'
import type { Route } from '../domain/route.ts'
import { grantScopes } from '../domain/scope.ts'
import { mintToken, newId } from '../domain/token.ts'
import type { SignInOutcome } from '../providers/provider.ts'
import type { CredentialRow } from '../storage/store.ts'
import { sealIdentity, sealTokens } from '../vault.ts'
import { answerWithCode, answerWithError, explainToUser } from './answer.ts'
import { type AuthorizationServer, CODE_TTL_MS, circumstances } from './authorization-server.ts'
import { findClient } from './client.ts'
import { consentKey, ownerOf } from './remember.ts'

type SignedIn = Extract<SignInOutcome, { outcome: 'signed-in' }>

/**
 * Ends a successful sign-in: policy first, then grant, sealed credential and code in one step, then the redirect to the
 * client (RFC 6749 §4.1.2). Who is not allowed gets a page that says so, no code, and nothing is stored.
 */
export async function issueCode(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  interaction: SignInStage,
  signedIn: SignedIn,
): Promise<FastifyReply> {
  const asked = interaction.request
  const { identity } = signedIn
  const route = server.routes.find((candidate) => candidate.path === interaction.routePath)
  const client = await findClient(server, asked.clientId)
  const scopes = route && grantScopes(asked.scope, route.scopes)
  if (!route || !client || !scopes?.ok) {
    return answerWithError(
      server,
      request,
      reply,
      asked,
      oauthFailure('access_denied', 'the server or the client no longer exists'),
    )
  }
  const about = {
    ...circumstances(request),
    user: auditedUser(identity),
    client: auditedClient(client),
    routePath: route.path,
  }
  const decision = decide(route, identity)
  if (!decision.allowed) {
    server.audit({ event: 'access_denied', ...about, reason: decision.reason })
    return explainToUser(server, request, reply, asked, {
      ...DENIED[decision.reason],
      status: 403,
      failure: NOT_ALLOWED,
    })
  }
  const key = consentKey(asked, client, route)
  const owner = ownerOf(identity)
  if (interaction.rememberedFor !== undefined && interaction.rememberedFor !== owner) {
    if (key) server.rememberedConsent?.forget(reply, key)
    return answerWithError(server, request, reply, asked, OTHER_USER)
  }
  const now = server.now()
  const grant: Grant = {
    id: newId(),
    clientId: client.clientId,
    routePath: route.path,
    resource: route.resource,
    scopes: scopes.value,
    sealedIdentity: '',
    status: 'pending',
    generation: 0,
    rotatedAt: now,
    createdAt: now,
    expiresAt: now + server.lifetimes.refreshTtlMs,
  }
  const sealedIdentity = await sealIdentity(server.vault, grant.id, identity)
  const credential = await sealCredential(server, route, grant, signedIn, now)
  const { token: code, hash } = mintToken('code')
  await server.store.createGrant(
    { ...grant, sealedIdentity },
    {
      hash,
      grantId: grant.id,
      clientId: client.clientId,
      redirectUri: asked.redirectUri,
      codeChallenge: asked.codeChallenge,
      expiresAt: now + CODE_TTL_MS,
    },
    credential,
  )
  server.audit({ event: 'signed_in', ...about, grantId: grant.id })
  if (key) server.rememberedConsent?.remember(request, reply, key, owner)
  return answerWithCode(server, request, reply, asked, client, code)
}

/** The provider's tokens, sealed for this grant, where the route hands them to its server; otherwise they are dropped. */
async function sealCredential(
  server: AuthorizationServer,
  route: Route,
  grant: Grant,
  signedIn: SignedIn,
  now: number,
): Promise<CredentialRow | undefined> {
  if (route.credential.kind !== 'provider-token') return undefined
  if (!signedIn.tokens) throw new Error('a provider-token route whose provider gave no token')
  const id = newId()
  const sealed = await sealTokens(
    server.vault,
    { id, grantId: grant.id, routePath: route.path },
    { ...signedIn.tokens, obtainedAt: now },
  )
  const { expiresAt } = signedIn.tokens
  return { id, grantId: grant.id, version: 1, sealed, state: 'live', ...(expiresAt === undefined ? {} : { expiresAt }) }
}

/** Somebody else approved in this browser; the one who signed in was never asked. */
const OTHER_USER = oauthFailure('access_denied', 'another user signed in than the one who approved; try again')

const NOT_ALLOWED = oauthFailure('access_denied', 'this user may not use this MCP server')

const DENIED = {
  not_on_list: {
    title: 'You are not allowed to use this server',
    what: 'You signed in, but your account is not among those that may use this MCP server.',
    next: 'Ask the administrator of this gateway for access. You can return to the application; it will be told.',
  },
  no_verified_email: {
    title: 'Your account has no verified e-mail address',
    what: 'This MCP server needs to know it, and your identity provider does not vouch for one.',
    next: 'Verify your e-mail address at the provider, then start again from the application.',
  },
} as const
