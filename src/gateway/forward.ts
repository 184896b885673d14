import { attempt } from './attempt.ts'
import type { Exchange, ForwardOutcome } from './exchange.ts'
import { openExchanges } from './open-exchanges.ts'
import { createUpstreams, slashRedirect } from './upstreams.ts'

export type { Exchange, ForwardOutcome } from './exchange.ts'

export interface ForwarderOptions {
  /** After which a connection to an MCP server counts as impossible. Default 3 s. */
  readonly connectTimeoutMs?: number
  /** After which a request without an answer is given up; GET waits for ever. Default 5 min. */
  readonly answerTimeoutMs?: number
  /** Limit of a streamed request body. Default 32 MiB. */
  readonly maxBodyBytes?: number
  /** How long a stream without an end of its own goes on after the right to it has ended. Default 5 s. */
  readonly expiryGraceMs?: number
}

export interface Forwarder {
  /**
   * Forwards one request and streams the answer; settles when the answer is complete. Never rejects, never writes an
   * answer of its own, and never sends a body twice: a kept-alive connection that died is noticed before anything is
   * written to it, and afterwards nothing is retried (P-33, C35).
   */
  forward(exchange: Exchange): Promise<ForwardOutcome>
  /** How many exchanges are open. */
  readonly open: number
  /** Ends endless event streams between two events, lets finite answers finish; cuts the rest after `limitMs` (P-70). */
  drain(limitMs: number): Promise<void>
  /** Cuts every exchange whose owner, or token, matches, now (P-71); returns how many. */
  endStreams(matches: (owner: string, token: string | undefined) => boolean): number
  /** Closes all connections to MCP servers. */
  close(): void
}

/** A forwarder with its own connections to MCP servers. */
export function createForwarder(options: ForwarderOptions = {}): Forwarder {
  const limits = {
    answerTimeoutMs: options.answerTimeoutMs ?? 5 * 60_000,
    maxBodyBytes: options.maxBodyBytes ?? 32 * 1024 * 1024,
    expiryGraceMs: options.expiryGraceMs ?? 5000,
  }
  const upstreams = createUpstreams(options.connectTimeoutMs ?? 3000)
  const open = openExchanges()
  return {
    async forward(exchange) {
      const upstream = upstreams.of(exchange.upstream)
      const outcome = await attempt(exchange, upstream, limits, open)
      if (outcome.kind !== 'redirected') return outcome
      const path = slashRedirect(upstream, outcome.status, outcome.location)
      if (path === undefined) return outcome
      // Remembered, so that only the first request pays for it and streamed bodies get through as well.
      upstream.path = path
      return exchange.body === 'stream' ? outcome : attempt(exchange, upstream, limits, open)
    },
    get open() {
      return open.size
    },
    drain: open.drain,
    endStreams: open.end,
    close: upstreams.close,
  }
}
