import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Route } from '../domain/route.ts'
import type { RouteRefusal } from '../http/error-reply.ts'
import { rawQuery } from '../http/query.ts'
import type { OpenAccess } from './access-cache.ts'
import type { AnnouncedEndpoints } from './announced-endpoint.ts'
import { invalidToken } from './authenticate.ts'
import type { CallNotes } from './call-notes.ts'
import type { Concurrency } from './concurrency.ts'
import type { CrossOrigin } from './cross-origin.ts'
import { bothRewrites } from './endpoint-event.ts'
import type { Exchange, ForwardOutcome } from './exchange.ts'
import type { Forwarder } from './forward.ts'
import type { Gateway } from './gateway.ts'
import { type HeaderLines, upstreamHeaders } from './headers.ts'
import { injectedHeaders } from './injected-headers.ts'
import type { RequestRates } from './request-rates.ts'
import { type CredentialSources, noteRefusedPat, patRefused, renewCredential } from './resolve-credential.ts'
import { refusalFor, UNFILLABLE, writeRefusal } from './route-refusals.ts'
import type { RouteSessions, SessionVerdict } from './sessions.ts'

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

/** A request on a route. The framework has let go of its answer. */
export interface Visit {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** What goes with every answer; lower-case names. */
  readonly headers: Readonly<Record<string, string>>
}

/** A request that has been judged, and everything that goes with it to the MCP server. */
export interface Judged {
  readonly access: OpenAccess
  readonly session: SessionVerdict
  readonly upstream: URL
  readonly credential: string | undefined
  readonly body: Exchange['body']
  readonly filter: Exchange['filter']
}

export interface DeliveryOptions {
  /** Ours in `Via`. */
  readonly pseudonym: string
  readonly sessions: RouteSessions
  /** Whether calls on this route may be noted. */
  readonly isNoted: boolean
  readonly passesQuery: boolean
  /** Where the server's own addresses are hidden from clients of the old transport. */
  readonly announced: AnnouncedEndpoints | undefined
  readonly refuse: (visit: Visit, reason: string, refusal: RouteRefusal) => void
  readonly stillOpen: (visit: Visit, access: OpenAccess) => Promise<boolean>
}

/** Delivers judged requests of `route` to its MCP server, with a newer credential once if the first is refused (S-09). */
export function createDelivery(
  gateway: Gateway,
  forwarding: Forwarding,
  route: Route,
  { pseudonym, sessions, isNoted, passesQuery, announced, refuse, stillOpen }: DeliveryOptions,
): (visit: Visit, judged: Judged) => Promise<void> {
  const { forwarder, calls } = forwarding
  const counted = gateway.metrics.calls.of(route.path)
  const isTold = gateway.logger.level === 'debug' || gateway.logger.level === 'trace'

  async function deliver(visit: Visit, judged: Judged): Promise<void> {
    const { access, credential, body } = judged
    const headers = headersOf(visit, judged, credential)
    if (!headers) {
      visit.request.log.error({ route: route.path }, 'a header of this route cannot be filled for this user')
      return refuse(visit, 'not_injectable', UNFILLABLE)
    }
    const outcome = await forward(visit, judged, headers)
    if (outcome.kind !== 'credential_refused') return settle(visit, outcome)
    if (route.credential.kind === 'user-pat') {
      await noteRefusedPat(gateway, route, access, visit.request).catch((error: unknown) =>
        visit.request.log.error({ err: error, route: route.path }, 'a refused token could not be noted'),
      )
      return settle(visit, outcome, patRefused(route.credential.label))
    }
    const renewed = await renewCredential(gateway, forwarding, route, access, credential ?? '')
    if (renewed && !renewed.ok) return settle(visit, outcome, renewed.refusal)
    const newer = renewed && body !== 'stream' ? headersOf(visit, judged, renewed.value) : undefined
    if (!newer) return settle(visit, outcome)
    if (!(await stillOpen(visit, access))) return settle(visit, outcome, invalidToken(gateway, route))
    settle(visit, await forward(visit, judged, newer))
  }

  /** Without those of a session that is none of this request's; undefined when a header of the route cannot be filled. */
  function headersOf(
    { request }: Visit,
    { access, session }: Judged,
    credential: string | undefined,
  ): HeaderLines | undefined {
    const injected = injectedHeaders(route, access.identity, credential)
    if (!injected) return undefined
    const headers = upstreamHeaders(request.headers, injected, pseudonym)
    if (session === 'ignored') {
      delete headers['mcp-session-id']
      delete headers['last-event-id']
    }
    return headers
  }

  async function forward(visit: Visit, judged: Judged, headers: HeaderLines): Promise<ForwardOutcome> {
    const { access, grant } = judged.access
    const { request, reply } = visit
    const { filter, body, upstream } = judged
    const startedAt = performance.now()
    const sinceStart = () => (performance.now() - startedAt) / 1000
    counted.open += 1
    try {
      return await forwarder.forward({
        request: request.raw,
        response: reply.raw,
        upstream,
        query: passesQuery ? rawQuery(request.url) : '',
        body,
        headers,
        extraResponseHeaders: visit.headers,
        owner: grant.id,
        token: access.hash,
        endsAt: access.expiresAt,
        admit(exchange, status, received) {
          counted.firstByte.observe(sinceStart())
          return sessions.admit(exchange, status, received)
        },
        keepAliveMs: route.keepAliveMs,
        rewrite: bothRewrites(announced?.rewrite(grant), filter?.events),
        filter,
      })
    } finally {
      counted.open -= 1
      counted.whole.observe(sinceStart())
    }
  }

  function settle({ request, reply, headers }: Visit, outcome: ForwardOutcome, refusal = refusalFor(outcome)): void {
    if (outcome.kind === 'answered') counted.answered += 1
    else gateway.metrics.calls.requests.inc({ route: route.path, outcome: outcome.kind })
    if (isNoted) calls.settled(reply, outcome)
    if (isTold) request.log.debug({ route: route.path, ...outcome }, 'forwarded')
    if (!refusal || reply.raw.headersSent || reply.raw.destroyed) return
    request.log.warn({ route: route.path, ...outcome }, 'not forwarded')
    writeRefusal(reply.raw, headers, refusal)
  }

  return deliver
}
