import type { FastifyReply, FastifyRequest } from 'fastify'
import { auditedClient, auditedUpstreamClient, auditedUser } from '../audit.ts'
import { oauthFailure } from '../domain/errors.ts'
import type { ConnectStage } from '../domain/interaction.ts'
import {
  isPersonalAccessToken,
  type PersonalAccessToken,
  parsePat,
  serializePat,
} from '../domain/personal-access-token.ts'
import { parseParameters, single } from '../domain/request-parameters.ts'
import { Secret } from '../domain/secret.ts'
import { newId } from '../domain/token.ts'
import { isFramedOrPrefetched, isSameOriginPost } from '../http/browser-proof.ts'
import { circumstances } from '../http/circumstances.ts'
import { replyPage } from '../http/error-reply.ts'
import { rawQuery } from '../http/query.ts'
import type { ProbeOutcome } from '../providers/pat.ts'
import { sealPat } from '../vault.ts'
import { answerWithError, showProblem } from './answer.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { ENDED } from './begin-sign-in.ts'
import { findKept, findVisit, type Visit } from './connect-visit.ts'
import { advanceInteraction, openInteraction, takeInteraction } from './interactions.ts'
import { type Authorized, issueCode } from './issue-code.ts'
import { type ConnectProblem, connectPage, pageHeaders, type ShownToken } from './pages.ts'
import { discardTokens } from './sign-in-tokens.ts'
import { stepsOf } from './steps.ts'

/** Tokens that one visit may try; each one is sent to the probe. */
const MAX_ATTEMPTS = 8

/** Sends a signed-in user on to the page for their own token. */
export async function beginConnect(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  { asked, route, identity, signedInAt, signInTokens, remembered }: Authorized,
): Promise<FastifyReply> {
  const id = newId()
  const browserHash = server.browserProof.bind(request, reply, id)
  const stage: ConnectStage = {
    stage: 'connect',
    request: asked,
    routePath: route.path,
    identity,
    signedInAt,
    ...(signInTokens === undefined ? {} : { signInTokens }),
    browserHash,
    remembered,
    attempts: 0,
  }
  await openInteraction(server, stage, { id, advanced: true })
  return reply.headers(pageHeaders()).redirect(`${server.issuer}/connect?interaction=${id}`, 303)
}

/** `GET /connect`: asks for the token, or offers the one that the user gave before. */
export function connectPageEndpoint(server: AuthorizationServer) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    if (isFramedOrPrefetched(request)) return showProblem(request, reply, 403, ENDED)
    const query = parseParameters(rawQuery(request.url))
    const visit = await findVisit(server, request, query.ok ? single(query.value, 'interaction') : undefined)
    return visit ? showConnect(server, reply, visit) : showProblem(request, reply, 400, ENDED)
  }
}

/**
 * `POST /connect`: a token (`pat`), which is kept when it works, or with `decision=connect`, as our page sends it, after the
 * user has seen whose it is; `decision=keep` for the one that was just tried, `decision=reuse` for the one that is kept, or
 * `decision=deny`.
 */
export function connectEndpoint(server: AuthorizationServer) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    if (!isSameOriginPost(request, server.issuer)) return showProblem(request, reply, 403, NOT_OUR_PAGE)
    const { form } = request
    const visit = form && (await findVisit(server, request, single(form, 'interaction')))
    if (!form || !visit) return showProblem(request, reply, 400, ENDED)
    const decision = single(form, 'decision')
    if (decision === 'deny') return leave(server, request, reply, visit)
    if (decision === 'reuse') {
      const kept = await findKept(server, visit)
      return kept?.usable ? finish(server, request, reply, visit) : showConnect(server, reply, visit, 'none_kept')
    }
    if (decision === 'keep') {
      const { tried } = visit.held.interaction
      return tried === undefined
        ? showConnect(server, reply, visit)
        : keep(server, request, reply, visit, parsePat(tried))
    }
    const text = single(form, 'pat')?.trim() ?? ''
    return tryToken(server, request, reply, visit, text, { showsFirst: decision === 'connect' })
  }
}

async function showConnect(
  server: AuthorizationServer,
  reply: FastifyReply,
  visit: Visit,
  problem?: ConnectProblem,
): Promise<FastifyReply> {
  const { rule, route, client, held } = visit
  const kept = await findKept(server, visit)
  const { tried } = held.interaction
  const html = connectPage({
    routeTitle: route.title,
    label: rule.label,
    steps: stepsOf(route, 'connect', visit.remembered),
    gatewayHost: new URL(server.issuer).host,
    form: { action: '/connect', hidden: { interaction: held.id } },
    ...(client.clientName === undefined ? {} : { clientName: client.clientName }),
    ...(rule.createUrl === undefined ? {} : { createUrl: rule.createUrl }),
    ...(rule.help === undefined ? {} : { help: rule.help }),
    ...(kept === undefined ? {} : { kept: { usable: kept.usable, ...(kept.pat ? aboutPat(kept.pat) : {}) } }),
    ...(tried === undefined ? {} : { tried: aboutPat(parsePat(tried)) }),
    ...(problem === undefined ? {} : { problem }),
  })
  return replyPage(reply, problem === undefined ? 200 : 400, html, pageHeaders())
}

async function tryToken(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  visit: Visit,
  text: string,
  { showsFirst }: { readonly showsFirst: boolean },
): Promise<FastifyReply> {
  const { held, rule, route } = visit
  if (!isPersonalAccessToken(text)) return showConnect(server, reply, visit, 'not_a_token')
  // Counted before it is tried, so that parallel posts cannot try more.
  const { tried: _, ...before } = held.interaction
  const counted = await advanceInteraction(server, held, { ...before, attempts: before.attempts + 1 })
  if (!counted) return showProblem(request, reply, 400, ENDED)
  const next = { ...visit, held: counted }
  if (counted.interaction.attempts > MAX_ATTEMPTS) return leave(server, request, reply, next)
  const token = new Secret(text)
  const probed: ProbeOutcome = rule.probe ? await server.probePat(rule.probe, token) : { outcome: 'accepted' }
  if (probed.outcome === 'refused')
    return showConnect(server, reply, next, probed.status === 401 ? 'unknown_token' : 'forbidden')
  if (probed.outcome === 'unavailable') {
    request.log.warn({ route: route.path, reason: probed.reason }, 'a token could not be tried')
    return showConnect(server, reply, next, 'probe_unavailable')
  }
  const { outcome: __, expiresAt = 0, ...told } = probed
  const savedAt = server.now()
  // An end that has passed is misread, or a mistake of who tells it: the token has just worked.
  const pat: PersonalAccessToken = { token, savedAt, ...told, ...(expiresAt > savedAt ? { expiresAt } : {}) }
  // Where nobody tells whose it is, there is nothing to look at first.
  if (!showsFirst || pat.account === undefined) return keep(server, request, reply, next, pat)
  const shown = await advanceInteraction(server, counted, { ...counted.interaction, tried: serializePat(pat) })
  return shown ? showConnect(server, reply, { ...next, held: shown }) : showProblem(request, reply, 400, ENDED)
}

/** Keeps the token for this user and route, in place of the one before, for all of the user's clients. */
async function keep(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  visit: Visit,
  pat: PersonalAccessToken,
): Promise<FastifyReply> {
  const { identity, route, credentialId } = visit
  if (!(await takeInteraction(server, visit.held))) return showProblem(request, reply, 400, ENDED)
  const sealed = await sealPat(server.vault, credentialId, identity, route.path, pat)
  await server.store.putCredential(credentialId, sealed, pat.expiresAt, server.now())
  server.audit({
    event: 'token_connected',
    ...circumstances(request),
    user: auditedUser(identity),
    client: auditedClient(visit.client),
    routePath: route.path,
    ...(pat.account === undefined ? {} : { upstreamAccount: pat.account }),
    ...auditedUpstreamClient(visit.signedInAt.provider, visit.signedInAt.upstreamClient),
  })
  return conclude(server, request, reply, visit)
}

async function finish(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  visit: Visit,
): Promise<FastifyReply> {
  if (!(await takeInteraction(server, visit.held))) return showProblem(request, reply, 400, ENDED)
  return conclude(server, request, reply, visit)
}

/** The code, for whoever has taken the interaction. */
function conclude(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  visit: Visit,
): Promise<FastifyReply> {
  server.browserProof.release(reply, visit.held.id)
  return issueCode(server, request, reply, visit, { kind: 'shared', credentialId: visit.credentialId })
}

async function leave(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  visit: Visit,
): Promise<FastifyReply> {
  if (!(await takeInteraction(server, visit.held))) return showProblem(request, reply, 400, ENDED)
  server.browserProof.release(reply, visit.held.id)
  discardTokens(server, visit.held.interaction)
  server.audit({ event: 'consent_denied', ...circumstances(request), client: auditedClient(visit.client) })
  return answerWithError(server, request, reply, visit.asked, oauthFailure('access_denied', 'the user gave no token'))
}

/** What may be shown of a token. */
function aboutPat({ account, scopes, expiresAt }: PersonalAccessToken): ShownToken {
  return {
    ...(account === undefined ? {} : { account }),
    ...(scopes === undefined ? {} : { scopes }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  }
}

const NOT_OUR_PAGE = {
  title: 'This answer cannot be accepted',
  what: 'It did not come from our page in this browser.',
  next: 'Start again from the application.',
}
