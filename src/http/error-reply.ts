import type { FastifyReply } from 'fastify'
import type { OAuthErrorCode, OAuthFailure } from '../domain/errors.ts'

/** Seconds after which a client may try again when nobody knows better. */
const RETRY_AFTER_SECONDS = 5

const STATUS: Partial<Record<OAuthErrorCode, number>> = {
  invalid_client: 401,
  server_error: 500,
  temporarily_unavailable: 503,
}

/**
 * Answers an OAuth endpoint's client (RFC 6749 §5.2, RFC 7591 §3.2.2): JSON, never stored. 503 carries Retry-After and
 * `temporarily_unavailable`, the one answer on which SDK clients keep their tokens.
 */
export function replyOAuthError(reply: FastifyReply, failure: OAuthFailure, status?: number): FastifyReply {
  const code = status ?? STATUS[failure.error] ?? 400
  if ((code === 503 || code === 429) && !reply.hasHeader('retry-after'))
    reply.header('retry-after', RETRY_AFTER_SECONDS)
  return reply
    .code(code)
    .header('cache-control', 'no-store')
    .header('pragma', 'no-cache')
    .send({ error: failure.error, error_description: failure.description })
}

/** A plain JSON refusal for paths that are no OAuth endpoint and no route; reflects nothing of the request. */
export function replyNotFound(reply: FastifyReply): FastifyReply {
  return reply
    .code(404)
    .header('cache-control', 'no-store')
    .send({ error: 'not_found', error_description: 'there is nothing here' })
}

/** What a route answers when it did not forward; statuses that no MCP client takes for evidence of a protocol era. */
export interface RouteRefusal {
  readonly status: 400 | 401 | 403 | 404 | 405 | 413 | 415 | 429 | 431 | 500 | 502 | 503 | 504
  readonly message: string
  readonly headers?: Readonly<Record<string, string>>
  /** A code that MCP defines; absent: the status. */
  readonly code?: -32020
  /** Of the request, where its body was read. */
  readonly id?: string | number
}

/**
 * The body of a refusal on a route: a JSON-RPC error, as a rule without id and with the HTTP status as its code, which lies
 * outside the range that JSON-RPC and MCP reserve (-32768 to -32000, P-83).
 */
export function routeRefusalBody({ status, message, code, id }: RouteRefusal): string {
  return JSON.stringify({ jsonrpc: '2.0', error: { code: code ?? status, message }, id: id ?? null })
}

/** Answers a request on a route that is not forwarded. */
export function replyRouteRefusal(reply: FastifyReply, refusal: RouteRefusal): FastifyReply {
  if (refusal.status === 503) reply.header('retry-after', RETRY_AFTER_SECONDS)
  return reply
    .code(refusal.status)
    .headers({ 'cache-control': 'no-store', ...refusal.headers })
    .type('application/json')
    .send(routeRefusalBody(refusal))
}

/** Answers a person. `headers` are those of the page (CSP and friends). */
export function replyPage(
  reply: FastifyReply,
  status: number,
  html: string,
  headers: Readonly<Record<string, string>>,
): FastifyReply {
  return reply.code(status).headers(headers).type('text/html; charset=utf-8').send(html)
}
