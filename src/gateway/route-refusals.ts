import type { ServerResponse } from 'node:http'
import { closeAfterAnswer } from '../http/close-after-answer.ts'
import { type RouteRefusal, routeRefusalBody } from '../http/error-reply.ts'
import { forgoBody } from '../http/queued-answers.ts'
import { StoreUnavailable } from '../storage/store.ts'
import type { Busy } from './concurrency.ts'
import type { ForwardOutcome } from './exchange.ts'
import { hasArrived } from './request-body.ts'

/** What the client is told when nothing of the server's answer reached it; undefined when it was answered or has left. */
export function refusalFor(outcome: ForwardOutcome): RouteRefusal | undefined {
  switch (outcome.kind) {
    case 'answered':
    case 'broken_off':
    case 'client_gone':
      return undefined
    case 'credential_refused':
      return { status: 502, message: 'the MCP server refused the credential that this gateway holds for you' }
    case 'not_admitted':
      return { status: 503, message: 'the gateway cannot note the session right now' }
    case 'answer_withheld':
      return { status: 502, message: 'the MCP server sent a list of tools that the gateway cannot read' }
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

/** Answers a request that is not forwarded; a body that was not read must not become the next request (B235). */
export function writeRefusal(
  response: ServerResponse,
  own: Readonly<Record<string, string>>,
  refusal: RouteRefusal,
): void {
  const body = routeRefusalBody(refusal)
  if (!hasArrived(response.req)) closeAfterAnswer(response)
  forgoBody(response)
  response.writeHead(refusal.status, {
    ...own,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...(refusal.status === 503 ? { 'retry-after': '5' } : {}),
    ...refusal.headers,
  })
  response.end(body)
}

/** What an error that nobody foresaw is told as: later it may work. Its cause goes to the log alone. */
export function faultRefusal(error: unknown): RouteRefusal {
  const looking = error instanceof StoreUnavailable
  return { status: 503, message: `the gateway cannot ${looking ? 'look up access' : 'answer this'} right now` }
}

/** MCP transports: the client then begins anew with `initialize`; 401 or 403 would make it sign in. */
export const UNKNOWN_SESSION: RouteRefusal = {
  status: 404,
  message: 'this session is not known here; initialize a new one',
}
export const FOREIGN_ORIGIN: RouteRefusal = { status: 403, message: 'this web page may not call this server' }
export const UNFILLABLE: RouteRefusal = {
  status: 502,
  message: 'the credential for this server cannot be sent; sign in again or ask the administrator',
}
/** forwarded once more, it would come back once more. */
export const LOOP: RouteRefusal = { status: 502, message: 'the request came back to this gateway' }
const BUSY: Readonly<Record<Busy, RouteRefusal>> = {
  grant_busy: { status: 503, message: 'too many requests and streams of this client are open at once' },
  route_busy: { status: 503, message: 'too many requests and streams to this server are open at once' },
  gateway_busy: { status: 503, message: 'too many requests and streams are open at once' },
}

/** What whoever exceeds a limit on concurrency is told; `Retry-After` goes with every 503. */
export function busy(limit: Busy): RouteRefusal {
  return BUSY[limit]
}

/** For methods that no MCP client uses here (P-74); only after authentication. */
export function wrongMethod(methods: readonly string[]): RouteRefusal {
  return { status: 405, message: `use ${methods.join(', ')}`, headers: { allow: methods.join(', ') } }
}
