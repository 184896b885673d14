import type { ServerResponse } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Route } from '../domain/route.ts'
import type { RouteRefusal } from '../http/error-reply.ts'
import type { OpenAccess } from './access-cache.ts'
import { createAnnouncedEndpoints } from './announced-endpoint.ts'
import { authenticate, invalidToken } from './authenticate.ts'
import { isPreflight, preflightHeaders } from './cross-origin.ts'
import { createDelivery, type Forwarding, type Visit } from './delivery.ts'
import type { Gateway } from './gateway.ts'
import { bytesToInspect, createMessagePolicy, type Inspection } from './message-policy.ts'
import { resolveCredential } from './resolve-credential.ts'
import {
  busy,
  FOREIGN_ORIGIN,
  faultRefusal,
  LOOP,
  UNKNOWN_SESSION,
  writeRefusal,
  wrongMethod,
} from './route-refusals.ts'
import { createRouteSessions } from './sessions.ts'
import { readSmallBody } from './small-body.ts'
import { cameBack, viaPseudonym } from './via.ts'

/** `messages`: where clients of the old transport post, below a route whose upstream speaks it. */
export type RoutePart = 'endpoint' | 'messages'

/**
 * One protected MCP server: every request is judged before a byte of it goes anywhere (Origin, preflight, loop, token,
 * method, rate, session, limits, messages, credential), then it is forwarded as a pure stream. Refusals never look like
 * evidence of a protocol era. A hook for `onRequest`: the framework is left before it would parse a body, and what is
 * known already is not waited for, because each turn of the event loop's queues costs more than a look-up.
 */
export function routeEndpoint(gateway: Gateway, forwarding: Forwarding, route: Route, part: RoutePart = 'endpoint') {
  const { crossOrigin, concurrency, rates, calls, maxBodyBytes } = forwarding
  const { issuer, now } = gateway
  const policy = createMessagePolicy(route, { issuer, maxBodyBytes, calls, now })
  const sessions = createRouteSessions(gateway, route)
  const announced = route.transport === 'sse' ? createAnnouncedEndpoints(gateway, route) : undefined
  const pseudonym = viaPseudonym(gateway.issuer)
  const methods = part === 'messages' ? ['POST'] : ['GET', 'POST', 'DELETE']
  const deliver = createDelivery(gateway, forwarding, route, {
    pseudonym,
    sessions,
    isNoted: policy !== undefined,
    passesQuery: part === 'endpoint',
    announced: part === 'endpoint' ? announced : undefined,
    refuse,
    stillOpen,
  })

  async function serve(visit: Visit): Promise<void> {
    const { request, reply } = visit
    // What came together with the head, a small body as a rule, has been read after this turn.
    await undefined
    const { origin, via } = request.headers
    if (!crossOrigin.allows(origin)) return refuse(visit, 'origin_refused', FOREIGN_ORIGIN)
    if (isPreflight(request.raw)) {
      reply.raw.writeHead(204, { ...visit.headers, ...preflightHeaders(request.raw) }).end()
      return
    }
    if (cameBack(via, pseudonym)) return refuse(visit, 'loop', LOOP)

    const checked = authenticate(gateway, route, request)
    const authenticated = checked instanceof Promise ? await checked : checked
    if (!authenticated.ok) return refuse(visit, authenticated.reason, authenticated.refusal)
    const { access } = authenticated
    if (!methods.includes(request.method)) return refuse(visit, 'method_refused', wrongMethod(methods))

    const exceeded = rates?.take(access)
    if (exceeded) return refuse(visit, exceeded.reason, exceeded.refusal)
    const judged = sessions.judge(request, access.grant)
    const session = typeof judged === 'string' ? judged : await judged
    const upstream = part === 'messages' ? await announced?.open(request.url, access.grant) : route.upstream
    if (session === 'refused' || !upstream) return refuse(visit, 'session_refused', UNKNOWN_SESSION)

    let bodyBytes = policy ? bytesToInspect(request.raw) : 0
    const entered = concurrency.enter(route.path, access.grant.id, bodyBytes)
    if (entered !== 'entered') return refuse(visit, entered, busy(entered))
    try {
      const inspecting = policy ? policy(request, reply, access) : NOT_INSPECTED
      const inspected = inspecting instanceof Promise ? await inspecting : inspecting
      if (inspected.verdict === 'aborted') return
      if (inspected.verdict === 'refused') {
        // Only then does Node know of a body that came with its head that nothing is still to come (B235).
        await setImmediate()
        return refuse(visit, inspected.reason, inspected.refusal)
      }
      const { filter, body: whole } = inspected
      if (whole && whole.length < bodyBytes) {
        concurrency.resize(access.grant.id, bodyBytes, whole.length)
        bodyBytes = whole.length
      }
      const resolving = resolveCredential(gateway, forwarding, route, access)
      const resolved = resolving instanceof Promise ? await resolving : resolving
      if (!resolved.ok) return refuse(visit, resolved.reason, resolved.refusal)
      const read = whole ?? readSmallBody(request.raw)
      const body = read instanceof Promise ? await read : read
      if (body === 'aborted') return
      if (!isOpen(access) && !(await stillOpen(visit, access)))
        return refuse(visit, 'ended', invalidToken(gateway, route))
      await deliver(visit, { access, session, upstream, credential: resolved.value, body, filter })
    } finally {
      whenGone(reply.raw, () => concurrency.leave(route.path, access.grant.id, bodyBytes))
    }
  }

  /** Rights that ended while we waited for the credential or the body are noticed here, and from then on by the forwarder. */
  async function stillOpen({ request }: Visit, access: OpenAccess): Promise<boolean> {
    return isOpen(access) || (await authenticate(gateway, route, request)).ok
  }

  function isOpen(access: OpenAccess): boolean {
    return route.authorization
      ? gateway.externalTokens.remembers(access)
      : gateway.cache.find(access.access.hash) === access
  }

  function refuse({ request, reply, headers }: Visit, reason: string, refusal: RouteRefusal): void {
    gateway.metrics.calls.requests.inc({ route: route.path, outcome: reason })
    gateway.tracing?.current()?.set('gatehouse.outcome', reason)
    request.log.info({ route: route.path, method: request.method, reason, status: refusal.status }, 'refused')
    writeRefusal(reply.raw, headers, refusal)
  }

  function fail({ request, reply, headers }: Visit, error: unknown): void {
    gateway.metrics.calls.requests.inc({ route: route.path, outcome: 'failed' })
    request.log.error({ err: error, route: route.path }, 'request failed')
    if (reply.raw.headersSent) reply.raw.destroy()
    else if (!reply.raw.destroyed) writeRefusal(reply.raw, headers, faultRefusal(error))
  }

  return (request: FastifyRequest, reply: FastifyReply): void => {
    // CORS and request id go with every answer, so that pages can read challenges and people can name what failed.
    const headers = Object.assign(
      reply.getHeaders() as Record<string, string>,
      crossOrigin.headers(request.headers.origin),
    )
    reply.hijack()
    const visit = { request, reply, headers }
    serve(visit).catch((error: unknown) => fail(visit, error))
  }
}

/** How long a client may take for the last of an answer, a few MB at the most, when its place is to be given back. */
const TAKING_MS = 5 * 60_000

/** Calls `then` when nothing of the answer waits for a client that reads slowly any more; one that reads nothing loses it (P-64). */
function whenGone(response: ServerResponse, then: () => void): void {
  if (response.writableFinished || response.destroyed) {
    then()
    return
  }
  const limit = setTimeout(() => response.destroy(), TAKING_MS).unref()
  response.once('close', () => {
    clearTimeout(limit)
    then()
  })
}

/** A route that does not care what is asked of it. */
const NOT_INSPECTED: Inspection = { verdict: 'passed' }
