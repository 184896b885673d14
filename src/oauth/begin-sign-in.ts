import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorizationRequest } from '../domain/authorization-request.ts'
import { oauthFailure } from '../domain/errors.ts'
import type { Identity } from '../domain/identity.ts'
import type { SignInStage } from '../domain/interaction.ts'
import type { SignInRoute } from '../domain/route.ts'
import { hashToken } from '../domain/token.ts'
import { answerWithError, showProblem } from './answer.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { pageHeaders } from './pages.ts'

/** One trip to a provider: the first says who the user is, a second one (`signedIn` is set) gets the server's token. */
export interface Leg {
  readonly asked: AuthorizationRequest
  readonly route: SignInRoute
  readonly provider: string
  readonly signedIn?: Identity
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
  const provider = server.providers.get(leg.provider)
  if (!provider) throw new Error('a route without its provider')
  const stateSecret = randomBytes(32).toString('base64url')
  const begun = await provider.begin(`${keeping.id}.${stateSecret}`, `${server.issuer}/callback/${provider.name}`)
  if ('outcome' in begun) {
    request.log.warn({ provider: provider.name, reason: begun.reason }, 'sign-in could not begin')
    if (!(await keeping.drop())) return showProblem(request, reply, 400, ENDED)
    return answerWithError(server, request, reply, leg.asked, PROVIDER_AWAY)
  }
  const browserHash = server.browserProof.bind(request, reply, keeping.id)
  const saved = await keeping.save({
    stage: 'sign-in',
    request: leg.asked,
    routePath: leg.route.path,
    provider: provider.name,
    stateHash: hashToken(stateSecret),
    browserHash,
    continuation: begun.continuation,
    attempts: 0,
    ...(leg.signedIn === undefined ? {} : { signedIn: leg.signedIn }),
    ...(leg.rememberedFor === undefined ? {} : { rememberedFor: leg.rememberedFor }),
  })
  if (!saved) {
    server.browserProof.release(reply, keeping.id)
    return showProblem(request, reply, 400, ENDED)
  }
  return reply.headers(pageHeaders()).redirect(begun.location, 303)
}

const PROVIDER_AWAY = oauthFailure('temporarily_unavailable', 'the identity provider cannot be reached')

/** For everything that comes too late or a second time. */
export const ENDED = {
  title: 'This sign-in has ended',
  what: 'It was already answered, or it took longer than ten minutes.',
  next: 'Close this window and start again from the application.',
}
