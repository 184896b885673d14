import type { FastifyReply, FastifyRequest } from 'fastify'
import { auditedClient, auditedUpstreamClient, auditedUser } from '../audit.ts'
import type { AuthorizationRequest } from '../domain/authorization-request.ts'
import type { Client } from '../domain/client.ts'
import type { ProviderTokens } from '../domain/credential.ts'
import { oauthFailure } from '../domain/errors.ts'
import type { Grant } from '../domain/grant.ts'
import type { Identity } from '../domain/identity.ts'
import type { AtProvider } from '../domain/interaction.ts'
import type { SignInRoute } from '../domain/route.ts'
import { grantScopes } from '../domain/scope.ts'
import { mintToken, newId } from '../domain/token.ts'
import { circumstances } from '../http/circumstances.ts'
import type { CredentialRow } from '../storage/records.ts'
import { sealIdentity, sealTokens } from '../vault.ts'
import { answerWithCode, answerWithError } from './answer.ts'
import { type AuthorizationServer, CODE_TTL_MS } from './authorization-server.ts'
import { consentKey, ownerOf } from './remember.ts'
import { keptTokens } from './sign-in-tokens.ts'

/** Everything that has been decided: this user lets this client use this route. */
export interface Authorized {
  readonly asked: AuthorizationRequest
  readonly route: SignInRoute
  readonly client: Client
  readonly identity: Identity
  /** The last leg: the only one, or that of the token for the MCP server. */
  readonly signedInAt: AtProvider
  /** Of the sign-in, to ask its provider about the user again; see tokensToKeep. */
  readonly signInTokens?: string | undefined
  /** Whether the consent page was skipped because of an earlier approval, whose time must not start anew. */
  readonly remembered: boolean
}

/** What the MCP server will get, apart from what configuration alone decides. */
export type ObtainedCredential =
  | { readonly kind: 'none' }
  /** Of the provider of the last leg. */
  | { readonly kind: 'tokens'; readonly tokens: ProviderTokens }
  | { readonly kind: 'shared'; readonly credentialId: string }

/** Grant, sealed credential and code in one step, then the redirect to the client (RFC 6749 §4.1.2). */
export async function issueCode(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  { asked, route, client, identity, signedInAt, signInTokens, remembered }: Authorized,
  obtained: ObtainedCredential,
): Promise<FastifyReply> {
  const scopes = grantScopes(asked.scope, route.scopes, route.defaultScopes)
  if (!scopes.ok) return answerWithError(server, request, reply, asked, NOTHING_LEFT)
  const now = server.now()
  const id = newId()
  const grant: Grant = {
    id,
    clientId: client.clientId,
    routePath: route.path,
    resource: route.resource,
    scopes: scopes.value,
    sealedIdentity: await sealIdentity(server.vault, id, identity),
    status: 'pending',
    generation: 0,
    rotatedAt: now,
    createdAt: now,
    expiresAt: now + server.lifetimes.refreshTtlMs,
    ...(obtained.kind === 'shared' ? { sharedCredentialId: obtained.credentialId } : {}),
  }
  const credential =
    obtained.kind === 'tokens' ? await sealCredential(server, grant, signedInAt, obtained.tokens, now) : undefined
  const kept = signInTokens === undefined ? undefined : keptTokens(route, signInTokens)
  const signIn = kept && (await sealCredential(server, grant, kept.at, kept.tokens, now))
  const { token: code, hash } = mintToken('code')
  const { redirectUri, codeChallenge } = asked
  const row = { hash, grantId: id, clientId: client.clientId, redirectUri, codeChallenge, expiresAt: now + CODE_TTL_MS }
  await server.store.createGrant(grant, row, credential, signIn)
  server.failpoint?.('callback.stored')
  // From here on the token endpoint must know the client, whatever becomes of the host of its document.
  if (client.origin === 'metadata-document') await server.metadataClients?.keep(client)
  server.audit({
    event: 'signed_in',
    ...circumstances(request),
    user: auditedUser(identity),
    client: auditedClient(client),
    routePath: route.path,
    grantId: id,
    scopes: scopes.value,
    ...auditedUpstreamClient(signedInAt.provider, signedInAt.upstreamClient),
  })
  const key = consentKey(server, asked, client, route)
  if (key && !remembered) server.rememberedConsent?.remember(request, reply, key, ownerOf(identity))
  return answerWithCode(server, request, reply, asked, client, code)
}

/** The provider's tokens, sealed for this grant and no other. */
async function sealCredential(
  server: AuthorizationServer,
  grant: Grant,
  { provider, upstreamClient: issuedTo }: AtProvider,
  tokens: ProviderTokens,
  now: number,
): Promise<CredentialRow> {
  const id = newId()
  const owner = { id, grantId: grant.id, routePath: grant.routePath, provider }
  const held = { ...tokens, obtainedAt: now, ...(issuedTo === undefined ? {} : { issuedTo }) }
  const sealed = await sealTokens(server.vault, owner, held)
  const { expiresAt } = tokens
  return { id, grantId: grant.id, version: 1, sealed, state: 'live', ...(expiresAt === undefined ? {} : { expiresAt }) }
}

const NOTHING_LEFT = oauthFailure('invalid_scope', 'none of the requested scopes exists here')
