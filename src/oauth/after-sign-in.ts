import type { FastifyReply, FastifyRequest } from 'fastify'
import { auditedClient, auditedUser } from '../audit.ts'
import { tokenProviderOf } from '../domain/credential.ts'
import { oauthFailure } from '../domain/errors.ts'
import type { AtProvider, SignInStage } from '../domain/interaction.ts'
import { decide } from '../domain/policy.ts'
import { newId } from '../domain/token.ts'
import { circumstances } from '../http/circumstances.ts'
import type { SignInOutcome } from '../providers/provider.ts'
import { answerWithError, explainToUser } from './answer.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { beginSignIn } from './begin-sign-in.ts'
import { askingClient } from './client.ts'
import { beginConnect } from './connect.ts'
import { openInteraction } from './interactions.ts'
import { type Authorized, issueCode } from './issue-code.ts'
import { consentKey, ownerOf } from './remember.ts'
import { discardTokens, tokensToKeep } from './sign-in-tokens.ts'

type SignedIn = Extract<SignInOutcome, { outcome: 'signed-in' }>

/**
 * What follows a successful sign-in: policy first; then, if the server needs something that this sign-in did not bring,
 * another provider or the page for the user's own token; then the code. Nothing is stored before all of it is there.
 * Rejects with StoreUnavailable; then what the sign-in brought is given back.
 */
export async function afterSignIn(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  interaction: SignInStage,
  outcome: SignedIn,
): Promise<FastifyReply> {
  const { provider, upstreamClient } = interaction
  const signedInAt = { provider, ...(upstreamClient === undefined ? {} : { upstreamClient }) }
  const discard = () => discardTokens(server, interaction, { at: signedInAt, tokens: outcome.tokens })
  try {
    return await goOn(server, request, reply, { interaction, outcome, signedInAt, discard })
  } catch (error) {
    // Whatever was stored nevertheless has reached nobody.
    discard()
    throw error
  }
}

/** A sign-in that has ended well, and the way to give back what it brought. */
interface Ended {
  readonly interaction: SignInStage
  readonly outcome: SignedIn
  readonly signedInAt: AtProvider
  discard(): void
}

async function goOn(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  { interaction, outcome, signedInAt, discard }: Ended,
): Promise<FastifyReply> {
  const { request: asked, rememberedFor } = interaction
  const identity = interaction.signedIn ?? outcome.identity
  const route = server.routes.find((candidate) => candidate.path === interaction.routePath)
  const client = await askingClient(server, asked)
  if (!route || !client) {
    discard()
    return answerWithError(server, request, reply, asked, GONE)
  }
  const decision = decide(route, identity)
  if (!decision.allowed) {
    discard()
    server.audit({
      event: 'access_denied',
      ...circumstances(request),
      user: auditedUser(identity),
      client: auditedClient(client),
      routePath: route.path,
      reason: decision.reason,
    })
    return explainToUser(server, request, reply, asked, {
      ...DENIED[decision.reason],
      status: 403,
      failure: NOT_ALLOWED,
    })
  }
  if (interaction.rememberedFor !== undefined && interaction.rememberedFor !== ownerOf(identity)) {
    const key = consentKey(server, asked, client, route)
    if (key) server.rememberedConsent?.forget(reply, key)
    discard()
    return answerWithError(server, request, reply, asked, OTHER_USER)
  }

  const signInTokens = interaction.signedIn
    ? interaction.signInTokens
    : tokensToKeep(server, route, signedInAt, outcome.tokens)
  const rule = route.credential
  const provider = tokenProviderOf(rule)
  // Nobody needs them: they have said who the user is.
  if (provider !== interaction.provider && !interaction.signedIn && signInTokens === undefined) discard()
  const remembered = rememberedFor !== undefined
  const authorized: Authorized = { asked, route, client, identity, signedInAt, signInTokens, remembered }
  if (rule.kind === 'user-pat') return beginConnect(server, request, reply, authorized)
  if (provider === undefined) return issueCode(server, request, reply, authorized, { kind: 'none' })
  if (provider === interaction.provider) {
    if (!outcome.tokens) {
      discard()
      return answerWithError(server, request, reply, asked, NO_TOKEN)
    }
    return issueCode(server, request, reply, authorized, {
      kind: 'tokens',
      tokens: outcome.tokens,
    })
  }
  const id = newId()
  return beginSignIn(
    server,
    request,
    reply,
    {
      asked,
      client,
      route,
      provider,
      signedIn: identity,
      signInTokens,
      ...(rememberedFor === undefined ? {} : { rememberedFor }),
    },
    {
      id,
      save: async (next) => (await openInteraction(server, next, { id, advanced: true })) === id,
      drop: async () => true,
    },
  )
}

const GONE = oauthFailure('access_denied', 'the server or the client no longer exists')
const NO_TOKEN = oauthFailure('server_error', 'the provider gave no token for this server')
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
