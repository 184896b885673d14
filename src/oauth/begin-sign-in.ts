import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorizationRequest } from '../domain/authorization-request.ts'
import type { Client } from '../domain/client.ts'
import { oauthFailure } from '../domain/errors.ts'
import type { Identity } from '../domain/identity.ts'
import type { SignInStage } from '../domain/interaction.ts'
import type { SignInRoute } from '../domain/route.ts'
import { hashToken } from '../domain/token.ts'
import { factsOf } from '../domain/upstream-client.ts'
import { answerWithError, explainToUser, showProblem } from './answer.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { pageHeaders } from './pages.ts'
import { discardTokens } from './sign-in-tokens.ts'

/** One trip to a provider: the first says who the user is, a second one (`signedIn` is set) gets the server's token. */
export interface Leg {
  readonly asked: AuthorizationRequest
  readonly client: Client
  readonly route: SignInRoute
  readonly provider: string
  readonly signedIn?: Identity
  readonly signInTokens?: string | undefined
  readonly rememberedFor?: string
}

/** Where the leg is kept: a new interaction or the next stage of one; false when somebody else was faster. */
export interface Keeping {
  readonly id: string
  save(interaction: SignInStage): Promise<boolean>
  /** Gives the interaction up, because the leg cannot begin. */
  drop(): Promise<boolean>
}

/**
 * Sends the browser to a provider with state, nonce and verifier of this leg alone, bound to this browser. Each leg has
 * its own: nothing of the first would be accepted by the second.
 */
export async function beginSignIn(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  leg: Leg,
  keeping: Keeping,
): Promise<FastifyReply> {
  const stateSecret = randomBytes(32).toString('base64url')
  const begun = await begin(server, leg, `${keeping.id}.${stateSecret}`)
  if ('outcome' in begun) {
    request.log.warn({ provider: leg.provider, reason: begun.reason }, 'sign-in could not begin')
    if (!(await keeping.drop())) return showProblem(request, reply, 400, ENDED)
    discardTokens(server, { request: leg.asked, routePath: leg.route.path, ...given(leg) })
    if (begun.outcome === 'refused') return explainToUser(server, request, reply, leg.asked, NOT_MAPPED)
    return answerWithError(server, request, reply, leg.asked, PROVIDER_AWAY)
  }
  const browserHash = server.browserProof.bind(request, reply, keeping.id)
  const saved = await keeping.save({
    stage: 'sign-in',
    request: leg.asked,
    routePath: leg.route.path,
    provider: leg.provider,
    ...(begun.upstreamClient === undefined ? {} : { upstreamClient: begun.upstreamClient }),
    stateHash: hashToken(stateSecret),
    browserHash,
    continuation: begun.continuation,
    attempts: 0,
    ...(leg.signedIn === undefined ? {} : { signedIn: leg.signedIn }),
    ...given(leg),
    ...(leg.rememberedFor === undefined ? {} : { rememberedFor: leg.rememberedFor }),
  })
  if (!saved) {
    server.browserProof.release(reply, keeping.id)
    return showProblem(request, reply, 400, ENDED)
  }
  return reply.headers(pageHeaders()).redirect(begun.location, 303)
}

function given({ signInTokens }: Leg): Pick<SignInStage, 'signInTokens'> {
  return signInTokens === undefined ? {} : { signInTokens }
}

async function begin(server: AuthorizationServer, { provider: name, client, asked }: Leg, state: string) {
  const chosen = await server.upstreamClients.choose(name, factsOf(client, asked.redirectUri))
  if (chosen.outcome !== 'chosen') return chosen
  const { provider, issuedTo: upstreamClient } = chosen.acting
  const begun = await provider.begin(state, `${server.issuer}/callback/${name}`)
  return 'outcome' in begun ? begun : { ...begun, upstreamClient }
}

const PROVIDER_AWAY = oauthFailure('temporarily_unavailable', 'the identity provider cannot be reached')

/** What users are told whose application the operator has not registered at the provider. */
export const NOT_MAPPED = {
  status: 403,
  title: 'This application may not be used here',
  what: 'You can sign in to this MCP server with applications only that its administrator has set up, and this is none of them.',
  next: 'Ask the administrator of this gateway for access. You can return to the application; it will be told.',
  failure: oauthFailure('access_denied', 'this client may not be used with this MCP server'),
}

/** For everything that comes too late or a second time. */
export const ENDED = {
  title: 'This sign-in has ended',
  what: 'It was already answered, or it took longer than ten minutes.',
  next: 'Close this window and start again from the application.',
}
