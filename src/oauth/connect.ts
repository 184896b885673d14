import type { FastifyReply, FastifyRequest } from 'fastify'
import { auditedClient, auditedUpstreamClient, auditedUser } from '../audit.ts'
import type { CredentialRule } from '../domain/credential.ts'
import { oauthFailure } from '../domain/errors.ts'
import type { ConnectStage } from '../domain/interaction.ts'
import { isPersonalAccessToken, type PersonalAccessToken, patCredentialId } from '../domain/personal-access-token.ts'
import { parseParameters, single } from '../domain/request-parameters.ts'
import { Secret } from '../domain/secret.ts'
import { newId } from '../domain/token.ts'
import { isFramedOrPrefetched, isSameOriginPost } from '../http/browser-proof.ts'
import { circumstances } from '../http/circumstances.ts'
import { replyPage } from '../http/error-reply.ts'
import { rawQuery } from '../http/query.ts'
import { CannotOpen, openPat, sealPat } from '../vault.ts'
import { answerWithError, showProblem } from './answer.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { ENDED } from './begin-sign-in.ts'
import { askingClient } from './client.ts'
import {
  advanceInteraction,
  findInteraction,
  type HeldInteraction,
  openInteraction,
  takeInteraction,
} from './interactions.ts'
import { type Authorized, issueCode } from './issue-code.ts'
import { type ConnectProblem, connectPage, pageHeaders } from './pages.ts'

type PatRule = Extract<CredentialRule, { kind: 'user-pat' }>

/** Tokens that one visit may try; each one is sent to the probe. */
const MAX_ATTEMPTS = 8

/** Sends a signed-in user on to the page for their own token. */
export async function beginConnect(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  { asked, route, identity, signedInAt, remembered }: Authorized,
  _rule: PatRule,
): Promise<FastifyReply> {
  const id = newId()
  const browserHash = server.browserProof.bind(request, reply, id)
  const stage: ConnectStage = {
    stage: 'connect',
    request: asked,
    routePath: route.path,
    identity,
    signedInAt,
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

/** `POST /connect`: a token to try and keep, `decision=reuse` for the one that is kept, or `decision=deny`. */
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
    return tryToken(server, request, reply, visit, single(form, 'pat')?.trim() ?? '')
  }
}

/** A visit to the page by the browser that signed in, with everything it is about. */
interface Visit extends Authorized {
  readonly held: HeldInteraction<ConnectStage>
  readonly rule: PatRule
  readonly credentialId: string
}

async function findVisit(
  server: AuthorizationServer,
  request: FastifyRequest,
  id: string | undefined,
): Promise<Visit | undefined> {
  const held = await findInteraction(server, id, 'connect')
  if (!held || !server.browserProof.isBound(request, held.id, held.interaction.browserHash)) return undefined
  const { request: asked, routePath, identity, signedInAt, remembered } = held.interaction
  const route = server.routes.find((candidate) => candidate.path === routePath)
  const client = await askingClient(server, asked)
  if (route?.credential.kind !== 'user-pat' || !client) return undefined
  const credentialId = patCredentialId(identity, routePath)
  return { held, asked, route, client, identity, signedInAt, remembered, rule: route.credential, credentialId }
}

interface Kept {
  /** Absent when it was refused, or cannot be opened any more. */
  readonly pat?: PersonalAccessToken
  /** Not refused by its server and not past its end. */
  readonly usable: boolean
}

async function findKept(server: AuthorizationServer, visit: Visit): Promise<Kept | undefined> {
  const row = await server.store.findCredentialById(visit.credentialId)
  if (!row) return undefined
  if (row.state !== 'live') return { usable: false }
  try {
    const pat = await openPat(server.vault, visit.credentialId, visit.identity, visit.route.path, row.sealed)
    return { pat, usable: pat.expiresAt === undefined || pat.expiresAt > server.now() }
  } catch (error) {
    // Its key is gone: the user gives a new one.
    if (error instanceof CannotOpen) return { usable: false }
    throw error
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
  const html = connectPage({
    routeTitle: route.title,
    label: rule.label,
    gatewayHost: new URL(server.issuer).host,
    form: { action: '/connect', hidden: { interaction: held.id } },
    ...(client.clientName === undefined ? {} : { clientName: client.clientName }),
    ...(rule.createUrl === undefined ? {} : { createUrl: rule.createUrl }),
    ...(rule.help === undefined ? {} : { help: rule.help }),
    ...(kept === undefined ? {} : { kept: { usable: kept.usable, ...(kept.pat ? aboutPat(kept.pat) : {}) } }),
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
): Promise<FastifyReply> {
  const { held, rule, identity, route, credentialId } = visit
  if (!isPersonalAccessToken(text)) return showConnect(server, reply, visit, 'not_a_token')
  // Counted before it is tried, so that parallel posts cannot try more.
  const counted = await advanceInteraction(server, held, {
    ...held.interaction,
    attempts: held.interaction.attempts + 1,
  })
  if (!counted) return showProblem(request, reply, 400, ENDED)
  const next = { ...visit, held: counted }
  if (counted.interaction.attempts > MAX_ATTEMPTS) return leave(server, request, reply, next)
  const token = new Secret(text)
  const probed = rule.probe ? await server.probePat(rule.probe, token) : ({ outcome: 'accepted' } as const)
  if (probed.outcome === 'refused')
    return showConnect(server, reply, next, probed.status === 401 ? 'unknown_token' : 'forbidden')
  if (probed.outcome === 'unavailable') {
    request.log.warn({ route: route.path, reason: probed.reason }, 'a token could not be tried')
    return showConnect(server, reply, next, 'probe_unavailable')
  }
  const { outcome: _, ...told } = probed
  const pat: PersonalAccessToken = { token, savedAt: server.now(), ...told }
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
  return finish(server, request, reply, next)
}

async function finish(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  visit: Visit,
): Promise<FastifyReply> {
  if (!(await takeInteraction(server, visit.held))) return showProblem(request, reply, 400, ENDED)
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
  server.audit({ event: 'consent_denied', ...circumstances(request), client: auditedClient(visit.client) })
  return answerWithError(server, request, reply, visit.asked, oauthFailure('access_denied', 'the user gave no token'))
}

function aboutPat({ account, scopes, expiresAt }: PersonalAccessToken) {
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
