import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AnswerFilter } from './answer-filter.ts'
import type { StreamRewrite } from './endpoint-event.ts'
import type { HeaderLines } from './headers.ts'

/** What an MCP server answered, by lower-case name; they are the exchange's own and may be changed. */
export type ServerHeaders = Record<string, string | string[] | undefined>

/** One request on its way to an MCP server. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The route's upstream: the same URL object each time, what is known about it hangs on the object. */
  readonly upstream: URL
  /** Raw query of the request without `?`; empty if there is none. */
  readonly query: string
  /** Already read, or `stream` to pipe it, or undefined. GET, HEAD and DELETE are forwarded without one (B232). */
  readonly body: Buffer | 'stream' | undefined
  /** From upstreamHeaders. */
  readonly headers: HeaderLines
  /** Ours, for the client: CORS, request id. Lower-case names. */
  readonly extraResponseHeaders: Readonly<Record<string, string>>
  /** Opaque; the forwarder's endStreams finds the exchange by it. */
  readonly owner?: string
  /** Opaque like `owner`, and narrower: the access token that it came with. */
  readonly token?: string
  /** When the right to it ends, ms since 1970. An answer that ends by itself may outlive it, a stream that does not may not. */
  readonly endsAt?: number
  /** After so many ms of silence an event stream gets a comment. Absent: never. */
  readonly keepAliveMs?: number | undefined
  /** What the client is to get of an event stream, piece by piece. Absent: everything. */
  readonly rewrite?: StreamRewrite | undefined
  /** For answers that must be read before the client gets them. Its `events` are part of `rewrite`. Absent: none. */
  readonly filter?: AnswerFilter | undefined
  /**
   * Asked before the client sees anything of an answer other than 401 or a redirect; may take headers away. A promise
   * holds the answer back until it settles, one that rejects for good.
   */
  readonly admit?: (exchange: Exchange, status: number, headers: ServerHeaders) => Promise<void> | undefined
}

/**
 * How forwarding ended. Only `answered`, `broken_off` and `cut` may have written to the client; after every other
 * outcome nothing was written and the caller answers (or, after `client_gone`, does not).
 */
export type ForwardOutcome =
  /** The client got the MCP server's answer; `bytes` counts its body. */
  | { readonly kind: 'answered'; readonly status: number; readonly bytes: number }
  /** The client left before the answer was complete; the upstream request was aborted (P-65). */
  | { readonly kind: 'client_gone' }
  /** The MCP server said 401. A caller with a fresh credential may forward again if the body is replayable (S-09). */
  | { readonly kind: 'credential_refused' }
  /**
   * No answer: no connection, a broken one, or an answer that is not HTTP. `reason` is a code for the log. Unless `sent`,
   * not one byte of the request left.
   */
  | { readonly kind: 'unreachable'; readonly reason: string; readonly sent: boolean }
  /** Connected, but no answer in time. */
  | { readonly kind: 'timed_out' }
  /** A redirect that is not followed (P-07), and where to, without query and credentials. */
  | { readonly kind: 'redirected'; readonly status: number; readonly location: string | undefined }
  /** The streamed request body exceeded the limit; the rest is not read. */
  | { readonly kind: 'body_too_large' }
  /** {@link Exchange.admit} rejected; the answer was thrown away. */
  | { readonly kind: 'not_admitted'; readonly reason: string }
  /** {@link Exchange.filter} could not read the answer; it was thrown away. */
  | { readonly kind: 'answer_withheld' }
  /** The MCP server died in the middle of its answer; the client's connection was destroyed so that it notices (P-69). */
  | { readonly kind: 'broken_off'; readonly status: number; readonly bytes: number; readonly reason: string }
  /** Ended by us, by drain or endStreams. Unless `written`, the client still waits for an answer. */
  | { readonly kind: 'cut'; readonly written: boolean }

/** The outcome of an error before any answer was written. */
export function failedBeforeAnswer(error: Error, sent: boolean): ForwardOutcome {
  const reason = reasonOf(error)
  return reason === 'ANSWER_TIMEOUT' ? { kind: 'timed_out' } : { kind: 'unreachable', reason, sent }
}

/** A code such as `ECONNREFUSED`; messages are not used because they can hold addresses (B265). */
export function reasonOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
