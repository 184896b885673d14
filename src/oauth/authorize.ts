import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  type AuthorizationRequest,
  resolveRedirectUri,
  validateAuthorizationRequest,
} from '../domain/authorization-request.ts'
import type { Client } from '../domain/client.ts'
import { parseClientIdUrl } from '../domain/client-id-url.ts'
import { parseParameters, single } from '../domain/request-parameters.ts'
import { fail } from '../domain/result.ts'
import { isFramedOrPrefetched } from '../http/browser-proof.ts'
import type { NotRead } from '../http/published-json.ts'
import { rawQuery } from '../http/query.ts'
import { answerUnaskedError, explainToUser, showProblem } from './answer.ts'
import { approve } from './approve.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { NOT_MAPPED } from './begin-sign-in.ts'
import { resolveClient } from './client.ts'
import { showConsent } from './consent.ts'
import { openInteraction } from './interactions.ts'
import { offeredRoutes } from './offered-routes.ts'
import { consentKey } from './remember.ts'

/**
 * `GET /authorize` (RFC 6749 §4.1.1): the checks in order; until the redirect URI is known to be the client's, a problem
 * is shown to the user and never redirected. A valid request becomes an interaction and the consent page.
 */
export function authorizeEndpoint(server: AuthorizationServer) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    if (isFramedOrPrefetched(request)) return showProblem(request, reply, 403, FRAMED)

    const parameters = parseParameters(rawQuery(request.url))
    if (!parameters.ok) return showProblem(request, reply, 400, invalid('The request could not be read.'))

    const clientId = single(parameters.value, 'client_id')
    const resolved = clientId === undefined ? fail(undefined) : await resolveClient(server, clientId, request.ip)
    if (!resolved.ok) return explainClient(request, reply, clientId ?? '', resolved.failure)
    const client = resolved.value

    const redirectUri = resolveRedirectUri(parameters.value, client)
    if (!redirectUri.ok) return showProblem(request, reply, 400, invalid(redirectUri.failure))

    const validated = validateAuthorizationRequest(parameters.value, client, redirectUri.value, server.routes)
    if (!validated.ok) {
      const state = single(parameters.value, 'state')
      const to = { redirectUri: redirectUri.value, ...(state === undefined ? {} : { state }) }
      return answerUnaskedError(server, request, reply, to, client, validated.failure)
    }
    if (offeredRoutes(server, validated.value, client).length === 0)
      return explainToUser(server, request, reply, validated.value, NOT_MAPPED)
    const interaction = { stage: 'consent', request: validated.value } as const
    const id = await openInteraction(server, interaction)
    const remembered = recallConsent(server, request, validated.value, client)
    if (remembered)
      return approve(server, request, reply, { held: { id, version: 1, interaction }, client, ...remembered })
    return showConsent(server, request, reply, { id, request: validated.value, client })
  }
}

/** The route and the user of the same approval in this browser before, where the operator lets consent be remembered. */
function recallConsent(
  server: AuthorizationServer,
  request: FastifyRequest,
  asked: AuthorizationRequest,
  client: Client,
) {
  const route = server.routes.find((candidate) => candidate.path === asked.routePaths[0])
  const key = route && consentKey(server, asked, client, route)
  // A client that wants the user to be asked gets its way (OpenID Connect Core §3.1.2.1).
  const rememberedFor = key && !asked.forceConsent ? server.rememberedConsent?.recall(request, key) : undefined
  return route && rememberedFor !== undefined ? { route, rememberedFor } : undefined
}

/** without its client a request can only end on a page, wherever it wants to go. */
function explainClient(
  request: FastifyRequest,
  reply: FastifyReply,
  clientId: string,
  problem: NotRead | undefined,
): FastifyReply {
  if (!problem) return showProblem(request, reply, 400, UNKNOWN_CLIENT)
  const url = parseClientIdUrl(clientId)
  const host = url.ok ? url.value.host : 'none'
  request.log.info(
    { host, reason: problem.reason, transient: problem.transient },
    'client metadata document not usable',
  )
  if (!problem.transient) return showProblem(request, reply, 400, UNUSABLE_DOCUMENT)
  return showProblem(request, reply.header('retry-after', RETRY_AFTER_SECONDS), 503, DOCUMENT_AWAY)
}

const RETRY_AFTER_SECONDS = 10

const UNUSABLE_DOCUMENT = {
  title: 'This application cannot be verified',
  what: 'The application names itself by a web address, and what is published there is missing or not acceptable.',
  next: 'Tell whoever makes the application. Nothing was shared with it.',
}

const DOCUMENT_AWAY = {
  title: 'This application cannot be verified right now',
  what: 'The application names itself by a web address, and that website does not answer at the moment.',
  next: 'Wait a little, then start again from the application.',
}

const FRAMED = {
  title: 'Please open this page yourself',
  what: 'This page does not work inside another page, and it cannot be loaded in advance.',
  next: 'Start again from the application that you want to connect.',
}

const UNKNOWN_CLIENT = {
  title: 'Unknown application',
  what: 'The application that sent you here is not registered with this gateway.',
  next: 'Remove the server from the application and add it again; it will then register itself anew.',
}

function invalid(what: string) {
  return {
    title: 'This sign-in request cannot be used',
    what,
    next: 'Close this window and start again from the application.',
  }
}
