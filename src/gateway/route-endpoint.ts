import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Route } from '../domain/route.ts'
import { type RouteRefusal, replyRouteRefusal, routeRefusalBody } from '../http/error-reply.ts'
import { rawQuery } from '../http/query.ts'
import type { OpenAccess } from './access-cache.ts'
import { authenticate } from './authenticate.ts'
import { type CrossOrigin, isPreflight, preflightHeaders } from './cross-origin.ts'
import type { Exchange, ForwardOutcome } from './exchange.ts'
import type { Forwarder } from './forward.ts'
import type { Gateway } from './gateway.ts'
import { type HeaderLines, upstreamHeaders } from './headers.ts'
import { injectedHeaders } from './injected-headers.ts'
import { type CredentialSources, noteRefusedPat, patRefused, resolveCredential } from './resolve-credential.ts'
import { createRouteSessions, type SessionVerdict } from './sessions.ts'
import { readSmallBody } from './small-body.ts'

/** What forwarding needs besides the gateway itself. */
export interface Forwarding extends CredentialSources {
  readonly crossOrigin: CrossOrigin
  readonly forwarder: Forwarder
}

const METHODS = ['GET', 'POST', 'DELETE']

/**
 * One protected MCP server: every request is judged before a byte of it goes anywhere (Origin, preflight, token, method,
 * session, credential), then it is forwarded as a pure stream. Refusals never look like evidence of a protocol era.
 */
export function routeEndpoint(gateway: Gateway, forwarding: Forwarding, route: Route) {
  const { crossOrigin } = forwarding
  const sessions = createRouteSessions(gateway, route)

  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { origin } = request.headers
    reply.headers(crossOrigin.headers(origin))
    if (!crossOrigin.allows(origin)) return refuse(request, reply, 'origin_refused', FOREIGN_ORIGIN)
    if (isPreflight(request.raw)) return reply.code(204).headers(preflightHeaders(request.raw)).send()

    const authenticated = await authenticate(gateway, route, request.raw)
    if (!authenticated.ok) return refuse(request, reply, 'unauthenticated', authenticated.refusal)
    const { access } = authenticated
    if (!METHODS.includes(request.method)) return refuse(request, reply, 'method_refused', WRONG_METHOD)

    const judged = sessions.judge(request.raw, access.grant)
    const session = typeof judged === 'string' ? judged : await judged
    if (session === 'refused') return refuse(request, reply, 'session_refused', UNKNOWN_SESSION)

    const fresh = await resolveCredential(gateway, forwarding, route, access)
    if (!fresh.ok) return refuse(request, reply, fresh.reason, fresh.refusal)
    const body = await readSmallBody(request.raw)
    if (body === 'aborted') return reply.hijack()

    return forwardWith(request, reply, access, session, fresh.value, body)
  }

  async function forwardWith(
    request: FastifyRequest,
    reply: FastifyReply,
    access: OpenAccess,
    session: SessionVerdict,
    credential: string | undefined,
    body: Exchange['body'],
  ): Promise<FastifyReply> {
    const injected = injectedHeaders(route, access.identity, credential)
    if (!injected) {
      request.log.error({ route: route.path }, 'a header of this route cannot be filled for this user')
      return refuse(request, reply, 'not_injectable', UNFILLABLE)
    }
    const exchange: Exchange = {
      request: request.raw,
      response: reply.raw,
      upstream: route.upstream,
      query: rawQuery(request.url),
      body,
      headers: headersOf(request, session, injected),
      extraResponseHeaders: ownHeaders(reply),
      owner: access.grant.id,
      admit: sessions.admit,
    }
    reply.hijack()
    const outcome = await timed(route, () => forwarding.forwarder.forward(exchange))
    if (outcome.kind !== 'credential_refused') return settle(request, reply, outcome)
    if (route.credential.kind === 'user-pat') {
      await noteRefusedPat(gateway, route, access)
      return settle(request, reply, outcome, patRefused(route.credential.label))
    }
    const renewed =
      route.credential.kind === 'provider-token' &&
      body !== 'stream' &&
      (await renewedHeaders(request, session, access))
    if (!renewed) return settle(request, reply, outcome)
    return settle(
      request,
      reply,
      await timed(route, () => forwarding.forwarder.forward({ ...exchange, headers: renewed })),
    )
  }

  /** Headers with a newer credential after the server refused the one it got; nothing when there is none to be had. */
  async function renewedHeaders(
    request: FastifyRequest,
    session: SessionVerdict,
    access: OpenAccess,
  ): Promise<HeaderLines | undefined> {
    const renewed = await forwarding.credentials.afterRefusal(access)
    if (renewed.outcome !== 'fresh') return undefined
    const injected = injectedHeaders(route, access.identity, renewed.tokens.accessToken.reveal())
    return injected && headersOf(request, session, injected)
  }

  async function timed(target: Route, forward: () => Promise<ForwardOutcome>): Promise<ForwardOutcome> {
    const labels = { route: target.path }
    gateway.metrics.openStreams.inc(labels)
    const stop = gateway.metrics.upstreamSeconds.startTimer(labels)
    try {
      return await forward()
    } finally {
      stop()
      gateway.metrics.openStreams.dec(labels)
    }
  }

  function settle(
    request: FastifyRequest,
    reply: FastifyReply,
    outcome: ForwardOutcome,
    refusal = refusalFor(outcome),
  ): FastifyReply {
    gateway.metrics.requests.inc({ route: route.path, outcome: outcome.kind })
    request.log.debug({ route: route.path, ...outcome }, 'forwarded')
    if (!refusal || reply.raw.headersSent || reply.raw.destroyed) return reply
    request.log.warn({ route: route.path, ...outcome }, 'not forwarded')
    writeRefusal(reply, refusal)
    return reply
  }

  function refuse(request: FastifyRequest, reply: FastifyReply, reason: string, refusal: RouteRefusal): FastifyReply {
    gateway.metrics.requests.inc({ route: route.path, outcome: reason })
    request.log.info({ route: route.path, method: request.method, reason, status: refusal.status }, 'refused')
    return replyRouteRefusal(reply, refusal)
  }
}

/** What the client is told when nothing of the server's answer reached it; undefined when it was answered or has left. */
function refusalFor(outcome: ForwardOutcome): RouteRefusal | undefined {
  switch (outcome.kind) {
    case 'answered':
    case 'broken_off':
    case 'client_gone':
      return undefined
    case 'credential_refused':
      return { status: 502, message: 'the MCP server refused the credential that this gateway holds for you' }
    case 'not_admitted':
      return { status: 503, message: 'the gateway cannot note the session right now' }
    case 'unreachable':
      return { status: 502, message: 'the MCP server cannot be reached' }
    case 'timed_out':
      return { status: 504, message: 'the MCP server did not answer in time' }
    case 'redirected':
      return { status: 502, message: 'the MCP server answered with a redirect that is not followed' }
    case 'body_too_large':
      return { status: 413, message: 'the request body is too large' }
    case 'cut':
      return { status: 503, message: 'the gateway is shutting down or access has ended' }
  }
}

/** The headers towards the MCP server, without those of a session that is none of this request's. */
function headersOf(
  request: FastifyRequest,
  session: SessionVerdict,
  injected: Readonly<Record<string, string>>,
): HeaderLines {
  const headers = upstreamHeaders(request.headers, injected)
  if (session === 'ignored') {
    delete headers['mcp-session-id']
    delete headers['last-event-id']
  }
  return headers
}

/** Headers that earlier steps put on the reply (CORS, request id), for the raw response. */
function ownHeaders(reply: FastifyReply): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) headers[name] = String(value)
  }
  return headers
}

/** After `hijack` Fastify writes nothing any more; a body that was not read must not become the next request. */
function writeRefusal(reply: FastifyReply, refusal: RouteRefusal): void {
  const body = routeRefusalBody(refusal)
  reply.raw.writeHead(refusal.status, {
    ...ownHeaders(reply),
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...(refusal.status === 503 ? { 'retry-after': '5' } : {}),
    ...(reply.request.raw.complete ? {} : { connection: 'close' }),
    ...refusal.headers,
  })
  reply.raw.end(body)
}

/** MCP transports: the client then begins anew with `initialize`; 401 or 403 would make it sign in. */
const UNKNOWN_SESSION: RouteRefusal = { status: 404, message: 'this session is not known here; initialize a new one' }
const FOREIGN_ORIGIN: RouteRefusal = { status: 403, message: 'this web page may not call this server' }
const WRONG_METHOD: RouteRefusal = {
  status: 405,
  message: 'use POST, GET or DELETE',
  headers: { allow: 'POST, GET, DELETE' },
}
const UNFILLABLE: RouteRefusal = {
  status: 502,
  message: 'the credential for this server cannot be sent; sign in again or ask the administrator',
}
