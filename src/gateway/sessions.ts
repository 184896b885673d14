import type { FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import type { Grant } from '../domain/grant.ts'
import type { Route } from '../domain/route.ts'
import { hashToken } from '../domain/token.ts'
import { circumstances } from '../http/circumstances.ts'
import type { Exchange, ServerHeaders } from './exchange.ts'
import type { Gateway } from './gateway.ts'
import { isModern } from './protocol-era.ts'

/** `pass`: on with it; `ignored`: on without its session headers; `refused`: 404, so that the client initializes anew. */
export type SessionVerdict = 'pass' | 'ignored' | 'refused'

/**
 * Whose the sessions of a route's MCP server are. A session belongs to the grant under which the server first named it,
 * until it ends: never to token bytes, so that a refresh keeps it, and never to whoever comes first (P-41 to P-49).
 */
export interface RouteSessions {
  /**
   * Judges the session headers of a request. Those of older revisions must name a session of this grant, and resume only
   * with one (P-43, P-67). Newer ones have no sessions (P-48): what such a request could reach with these headers at a
   * server that still honours them has to be its own as well, so anything else is left out.
   */
  judge(request: FastifyRequest, grant: Grant): SessionVerdict | Promise<SessionVerdict>
  /** For {@link Exchange.admit}: binds what the server opens before the client learns of it, forgets what has ended. */
  admit(exchange: Exchange, status: number, headers: ServerHeaders): Promise<void> | undefined
}

/** Sessions whose owner is remembered in the process, for each route. */
const REMEMBERED = 10_000
/** A session that is older has to be opened anew; clients do that by themselves. */
const SESSION_MS = 30 * 24 * 60 * 60 * 1000
/** More than any client opens and means to keep. */
const SESSIONS_PER_GRANT = 1000
/** MCP transports: a session id is visible ASCII (P-45). */
const SESSION_ID = /^[\x21-\x7e]+$/

export function createRouteSessions(gateway: Gateway, route: Route): RouteSessions {
  const owners = new LRUCache<string, string>({ max: REMEMBERED })
  const hashOf = (id: string) => hashToken(`${route.path} ${id}`)

  async function lookUp(hash: string): Promise<string | undefined> {
    const row = await gateway.store.findSession(hash)
    if (!row || row.expiresAt <= gateway.now()) return undefined
    owners.set(hash, row.grantId)
    return row.grantId
  }

  function notOwn(request: FastifyRequest, grant: Grant, reason: SessionRefusal): SessionVerdict {
    // The old transport has no such headers; what a client sends of them means nothing there.
    if (isModern(request.raw) || route.transport === 'sse') return 'ignored'
    const { id: grantId, clientId } = grant
    gateway.audit({
      event: 'session_refused',
      ...circumstances(request),
      grantId,
      clientId,
      routePath: route.path,
      reason,
    })
    return 'refused'
  }

  async function bind(grantId: string, id: string, headers: ServerHeaders): Promise<void> {
    const hash = hashOf(id)
    const expiresAt = gateway.now() + SESSION_MS
    const outcome = await gateway.store.bindSession({ hash, grantId, expiresAt }, SESSIONS_PER_GRANT)
    if (outcome === 'bound') owners.set(hash, grantId)
    else withhold(headers, 'a session of another grant')
  }

  async function end(id: string): Promise<void> {
    const hash = hashOf(id)
    owners.delete(hash)
    // A binding that stays behind gives nobody anything: it is still its owner's.
    await gateway.store
      .endSession(hash)
      .catch((error: unknown) => gateway.logger.warn({ err: error }, 'a session was not forgotten'))
  }

  /** An id that the client could not use, or must not: it keeps the one it has. */
  function withhold(headers: ServerHeaders, why: string): void {
    delete headers['mcp-session-id']
    gateway.logger.warn({ route: route.path, why }, 'the MCP server named a session that is not passed on')
  }

  return {
    judge(request, grant) {
      const id = request.headers['mcp-session-id']
      if (typeof id !== 'string') {
        const resumes = request.method === 'GET' && request.headers['last-event-id'] !== undefined
        return resumes ? notOwn(request, grant, 'without_session') : 'pass'
      }
      const hash = hashOf(id)
      const known = owners.get(hash)
      if (known === grant.id) return 'pass'
      if (known !== undefined) return notOwn(request, grant, 'foreign')
      return lookUp(hash).then((owner) => {
        if (owner === grant.id) return 'pass'
        return notOwn(request, grant, owner === undefined ? 'unknown' : 'foreign')
      })
    },
    admit({ request, owner }, status, headers) {
      const asked = request.headers['mcp-session-id']
      const named = headers['mcp-session-id']
      if ((asked === undefined && named === undefined) || isModern(request)) return undefined
      if (typeof asked === 'string') {
        if (named !== undefined && named !== asked) withhold(headers, 'another one than the request is of')
        return endsSession(request.method, status) ? end(asked) : undefined
      }
      const opens = request.method === 'POST' && isSuccess(status) && owner !== undefined
      if (opens && typeof named === 'string' && SESSION_ID.test(named)) return bind(owner, named, headers)
      withhold(headers, 'no answer that could open one')
      return undefined
    },
  }
}

type SessionRefusal = 'unknown' | 'foreign' | 'without_session'

/** MCP transports: 404 to a message ends a session. To a GET it may only say that the server offers no such stream. */
function endsSession(method: string | undefined, status: number): boolean {
  return (method === 'POST' && status === 404) || (method === 'DELETE' && isSuccess(status))
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}
