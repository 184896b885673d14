import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { auditedClient } from '../audit.ts'
import type { Client } from '../domain/client.ts'
import { oauthFailure } from '../domain/errors.ts'
import type { ConsentStage } from '../domain/interaction.ts'
import type { Route } from '../domain/route.ts'
import { hashToken } from '../domain/token.ts'
import { answerWithError, showProblem } from './answer.ts'
import { type AuthorizationServer, circumstances } from './authorization-server.ts'
import { advanceInteraction, type HeldInteraction, takeInteraction } from './interactions.ts'
import { pageHeaders } from './pages.ts'

/** An approval: by a click just now, or (`rememberedFor`) by one before, of the user with that hash. */
export interface Approval {
  readonly held: HeldInteraction<ConsentStage>
  readonly client: Client
  readonly route: Route
  readonly rememberedFor?: string
}

/**
 * What approval leads to: state, nonce and verifier come into being, this browser is bound to them, and it is sent to the
 * provider (MCP: nothing of that exists before consent).
 */
export async function approve(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  { held, client, route, rememberedFor }: Approval,
): Promise<FastifyReply> {
  const asked = held.interaction.request
  const provider = server.providers.get(route.signIn)
  if (!provider) throw new Error('a route without its provider')
  const stateSecret = randomBytes(32).toString('base64url')
  const begun = await provider.begin(`${held.id}.${stateSecret}`, `${server.issuer}/callback/${provider.name}`)
  if ('outcome' in begun) {
    request.log.warn({ provider: provider.name, reason: begun.reason }, 'sign-in could not begin')
    if (!(await takeInteraction(server, held))) return showProblem(request, reply, 400, ENDED)
    return answerWithError(server, request, reply, asked, PROVIDER_AWAY)
  }
  const browserHash = server.browserProof.bind(request, reply, held.id)
  const advanced = await advanceInteraction(server, held, {
    stage: 'sign-in',
    request: asked,
    routePath: route.path,
    provider: provider.name,
    stateHash: hashToken(stateSecret),
    browserHash,
    continuation: begun.continuation,
    attempts: 0,
    ...(rememberedFor === undefined ? {} : { rememberedFor }),
  })
  if (!advanced) {
    server.browserProof.release(reply, held.id)
    return showProblem(request, reply, 400, ENDED)
  }
  server.audit({
    event: 'consent_given',
    ...circumstances(request),
    client: auditedClient(client),
    routePath: route.path,
    remembered: rememberedFor !== undefined,
  })
  return reply.headers(pageHeaders()).redirect(begun.location, 303)
}

const PROVIDER_AWAY = oauthFailure('temporarily_unavailable', 'the identity provider cannot be reached')

/** For everything that comes too late or a second time. */
export const ENDED = {
  title: 'This sign-in has ended',
  what: 'It was already answered, or it took longer than ten minutes.',
  next: 'Close this window and start again from the application.',
}
