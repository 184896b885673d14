import { bearerChallenge } from '../domain/discovery.ts'
import type { Message, Unreadable } from '../domain/message.ts'
import type { Route } from '../domain/route.ts'
import type { RouteRefusal } from '../http/error-reply.ts'

/** MCP 2026-07-28: the one code for headers that do not repeat the body (C6). */
const HEADER_MISMATCH_CODE = -32020

export const WRONG_MEDIA: RouteRefusal = {
  status: 415,
  message: 'send application/json in UTF-8 without content coding',
}

export const BODY_TOO_LARGE: RouteRefusal = {
  status: 413,
  message: 'the request body is too large',
  headers: { connection: 'close' },
}

/** Constant words: what could not be read is never repeated. */
export const UNREADABLE: Readonly<Record<Unreadable, RouteRefusal>> = {
  not_json: { status: 400, message: 'the body is not JSON in UTF-8' },
  too_deep: { status: 400, message: 'the body is nested too deeply' },
  ambiguous: { status: 400, message: 'the body names something twice, so that it could be read in two ways' },
  not_json_rpc: { status: 400, message: 'the body is not a JSON-RPC message of MCP' },
  too_many_messages: { status: 400, message: 'the batch holds too many messages' },
}

/** P-13: for a modern client the error of its own request, in a body that names it. */
export function headerMismatch(id: Message['id']): RouteRefusal {
  return {
    status: 400,
    code: HEADER_MISMATCH_CODE,
    message: 'MCP-Protocol-Version, Mcp-Method and Mcp-Name must say what the body says',
    ...named(id),
  }
}

/** S-07: no challenge, because no authorization would help; a client that tried would ask its user for ever. */
export function toolDenied(id: Message['id']): RouteRefusal {
  return { status: 403, message: 'this tool is not available through this gateway', ...named(id) }
}

/**
 * D-53: `scopes` is everything that the operation takes, together with what the token has already, for clients that ask for
 * exactly what they are told and would lose the rest.
 */
export function insufficientScope(
  issuer: string,
  route: Route,
  scopes: readonly string[],
  id: Message['id'],
): RouteRefusal {
  const description = 'the access token does not permit this operation'
  const challenge = bearerChallenge(issuer, route, { error: 'insufficient_scope', description, scopes })
  return { status: 403, message: description, headers: { 'www-authenticate': challenge }, ...named(id) }
}

function named(id: Message['id']): Pick<RouteRefusal, 'id'> {
  return id === undefined ? {} : { id }
}
