import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Route } from '../domain/route.ts'
import { type RouteRefusal, replyRouteRefusal } from '../http/error-reply.ts'
import { rawQuery } from '../http/query.ts'
import type { OpenAccess } from './access-cache.ts'
import { createAnnouncedEndpoints } from './announced-endpoint.ts'
import { authenticate, invalidToken } from './authenticate.ts'
import type { CallNotes } from './call-notes.ts'
import type { Concurrency } from './concurrency.ts'
import { type CrossOrigin, isPreflight, preflightHeaders } from './cross-origin.ts'
import { bothRewrites } from './endpoint-event.ts'
import type { Exchange, ForwardOutcome } from './exchange.ts'
import type { Forwarder } from './forward.ts'
import type { Gateway } from './gateway.ts'
import { type HeaderLines, upstreamHeaders } from './headers.ts'
import { injectedHeaders } from './injected-headers.ts'
import { createMessagePolicy, type Inspection } from './message-policy.ts'
import type { RequestRates } from './request-rates.ts'
import {
  type CredentialSources,
  noteRefusedPat,
  patRefused,
  renewCredential,
  resolveCredential,
} from './resolve-credential.ts'
import {
  busy,
  FAILED,
  FOREIGN_ORIGIN,
  LOOP,
  ownHeaders,
  refusalFor,
  UNFILLABLE,
  UNKNOWN_SESSION,
  writeRefusal,
  wrongMethod,
} from './route-refusals.ts'
import { createRouteSessions, type SessionVerdict } from './sessions.ts'
import { readSmallBody } from './small-body.ts'
import { cameBack, viaPseudonym } from './via.ts'

/** What forwarding needs besides the gateway itself. */
export interface Forwarding extends CredentialSources {
  readonly crossOrigin: CrossOrigin
  readonly forwarder: Forwarder
  readonly concurrency: Concurrency
  readonly rates: RequestRates | undefined
  readonly calls: CallNotes
  /** The largest body of a request, in bytes. */
  readonly maxBodyBytes: number
}

/** `messages`: where clients of the old transport post, below a route whose upstream speaks it. */
export type RoutePart = 'endpoint' | 'messages'

/** A request that has been judged, and everything that goes with it to the MCP server. */
interface Judged {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly access: OpenAccess
  readonly session: SessionVerdict
  readonly upstream: URL
  readonly credential: string | undefined
  readonly body: Exchange['body']
  readonly filter: Exchange['filter']
}

/**
 * One protected MCP server: every request is judged before a byte of it goes anywhere (Origin, preflight, loop, token,
 * method, rate, session, limits, messages, credential), then it is forwarded as a pure stream. Refusals never look like evidence of a
 * protocol era.
 */
export function routeEndpoint(gateway: Gateway, forwarding: Forwarding, route: Route, part: RoutePart = 'endpoint') {
  const { crossOrigin, concurrency, rates, forwarder, calls, maxBodyBytes } = forwarding
  const { issuer, now } = gateway
  const policy = createMessagePolicy(route, { issuer, maxBodyBytes, calls, now })
  const sessions = createRouteSessions(gateway, route)
  const announced = route.transport === 'sse' ? createAnnouncedEndpoints(gateway, route) : undefined
  const pseudonym = viaPseudonym(gateway.issuer)
  // Labels are resolved once: doing it for each request would cost as much as the check of its token.
  const open = gateway.metrics.openStreams.labels(route.path)
  const seconds = gateway.metrics.upstreamSeconds.labels(route.path)
  const firstByte = gateway.metrics.upstreamFirstByteSeconds.labels(route.path)
  const answered = gateway.metrics.requests.labels(route.path, 'answered')
  const methods = part === 'messages' ? ['POST'] : ['GET', 'POST', 'DELETE']

  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { origin, via } = request.headers
    reply.headers(crossOrigin.headers(origin))
    if (!crossOrigin.allows(origin)) return refuse(request, reply, 'origin_refused', FOREIGN_ORIGIN)
    if (isPreflight(request.raw)) return reply.code(204).headers(preflightHeaders(request.raw)).send()
    if (cameBack(via, pseudonym)) return refuse(request, reply, 'loop', LOOP)

    const authenticated = await authenticate(gateway, route, request)
    if (!authenticated.ok) return refuse(request, reply, authenticated.reason, authenticated.refusal)
    const { access } = authenticated
    if (!methods.includes(request.method)) return refuse(request, reply, 'method_refused', wrongMethod(methods))

    const exceeded = rates?.take(access)
    if (exceeded) return refuse(request, reply, exceeded.reason, exceeded.refusal)
    const judged = sessions.judge(request, access.grant)
    const session = typeof judged === 'string' ? judged : await judged
    const upstream = part === 'messages' ? await announced?.open(request.url, access.grant) : route.upstream
    if (session === 'refused' || !upstream) return refuse(request, reply, 'session_refused', UNKNOWN_SESSION)

    const entered = concurrency.enter(route.path, access.grant.id)
    if (entered !== 'entered') return refuse(request, reply, entered, busy(entered))
    try {
      const inspected = policy ? await policy(request, reply, access) : NOT_INSPECTED
      if (inspected.verdict === 'aborted') return reply.hijack()
      if (inspected.verdict === 'refused') return refuse(request, reply, inspected.reason, inspected.refusal)
      const fresh = await resolveCredential(gateway, forwarding, route, access)
      if (!fresh.ok) return refuse(request, reply, fresh.reason, fresh.refusal)
      const body = inspected.body ?? (await readSmallBody(request.raw))
      if (body === 'aborted') return reply.hijack()
      if (!(await stillOpen(request, access))) return refuse(request, reply, 'ended', invalidToken(gateway, route))
      return await send({
        request,
        reply,
        access,
        session,
        upstream,
        credential: fresh.value,
        body,
        filter: inspected.filter,
      })
    } finally {
      concurrency.leave(route.path, access.grant.id)
    }
  }

  /** Rights that ended while we waited for the credential or the body are noticed here, and from now on by the forwarder. */
  async function stillOpen(request: FastifyRequest, access: OpenAccess): Promise<boolean> {
    if (gateway.cache.find(access.access.hash) === access) return true
    return (await authenticate(gateway, route, request)).ok
  }

  async function send(judged: Judged): Promise<FastifyReply> {
    const { request, reply, access, credential, body, filter } = judged
    const headers = headersOf(judged, credential)
    if (!headers) {
      request.log.error({ route: route.path }, 'a header of this route cannot be filled for this user')
      return refuse(request, reply, 'not_injectable', UNFILLABLE)
    }
    const sentAt = performance.now()
    const exchange: Exchange = {
      request: request.raw,
      response: reply.raw,
      upstream: judged.upstream,
      query: part === 'messages' ? '' : rawQuery(request.url),
      body,
      headers,
      extraResponseHeaders: ownHeaders(reply),
      owner: access.grant.id,
      token: access.access.hash,
      endsAt: access.access.expiresAt,
      admit(answered, status, received) {
        firstByte.observe((performance.now() - sentAt) / 1000)
        return sessions.admit(answered, status, received)
      },
      keepAliveMs: route.keepAliveMs,
      rewrite: bothRewrites(part === 'endpoint' ? announced?.rewrite(access.grant) : undefined, filter?.events),
      filter,
    }
    reply.hijack()
    try {
      return await forward(judged, exchange)
    } catch (error) {
      return fail(request, reply, error)
    }
  }

  /** From here on the answer is ours to write, and nobody else ends the response if we do not. */
  async function forward(judged: Judged, exchange: Exchange): Promise<FastifyReply> {
    const { request, reply, access, body } = judged
    const outcome = await timed(() => forwarder.forward(exchange))
    if (outcome.kind !== 'credential_refused') return settle(request, reply, outcome)
    if (route.credential.kind === 'user-pat') {
      await noteRefusedPat(gateway, route, access, request).catch((error: unknown) =>
        request.log.error({ err: error, route: route.path }, 'a refused token could not be noted'),
      )
      return settle(request, reply, outcome, patRefused(route.credential.label))
    }
    const renewed = await renewCredential(gateway, forwarding, route, access, judged.credential ?? '')
    if (renewed && !renewed.ok) return settle(request, reply, outcome, renewed.refusal)
    const headers = renewed && body !== 'stream' ? headersOf(judged, renewed.value) : undefined
    if (!headers) return settle(request, reply, outcome)
    if (!(await stillOpen(request, access))) return settle(request, reply, outcome, invalidToken(gateway, route))
    return settle(request, reply, await timed(() => forwarder.forward({ ...exchange, headers })))
  }

  /** Without those of a session that is none of this request's; undefined when a header of the route cannot be filled. */
  function headersOf({ request, access, session }: Judged, credential: string | undefined): HeaderLines | undefined {
    const injected = injectedHeaders(route, access.identity, credential)
    if (!injected) return undefined
    const headers = upstreamHeaders(request.headers, injected, pseudonym)
    if (session === 'ignored') {
      delete headers['mcp-session-id']
      delete headers['last-event-id']
    }
    return headers
  }

  async function timed(forward: () => Promise<ForwardOutcome>): Promise<ForwardOutcome> {
    open.inc()
    const startedAt = performance.now()
    try {
      return await forward()
    } finally {
      open.dec()
      seconds.observe((performance.now() - startedAt) / 1000)
    }
  }

  function settle(
    request: FastifyRequest,
    reply: FastifyReply,
    outcome: ForwardOutcome,
    refusal = refusalFor(outcome),
  ): FastifyReply {
    if (outcome.kind === 'answered') answered.inc()
    else gateway.metrics.requests.inc({ route: route.path, outcome: outcome.kind })
    if (policy) calls.settled(reply, outcome)
    request.log.debug({ route: route.path, ...outcome }, 'forwarded')
    if (!refusal || reply.raw.headersSent || reply.raw.destroyed) return reply
    request.log.warn({ route: route.path, ...outcome }, 'not forwarded')
    writeRefusal(reply, refusal)
    return reply
  }

  function fail(request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply {
    gateway.metrics.requests.inc({ route: route.path, outcome: 'failed' })
    request.log.error({ err: error, route: route.path }, 'forwarding failed')
    if (reply.raw.headersSent) reply.raw.destroy()
    else if (!reply.raw.destroyed) writeRefusal(reply, FAILED)
    return reply
  }

  function refuse(request: FastifyRequest, reply: FastifyReply, reason: string, refusal: RouteRefusal): FastifyReply {
    gateway.metrics.requests.inc({ route: route.path, outcome: reason })
    gateway.tracing?.current()?.set('gatehouse.outcome', reason)
    request.log.info({ route: route.path, method: request.method, reason, status: refusal.status }, 'refused')
    return replyRouteRefusal(reply, refusal)
  }
}

/** A route that does not care what is asked of it. */
const NOT_INSPECTED: Inspection = { verdict: 'passed' }
