import { closeAfterAnswer } from '../http/close-after-answer.ts'
import { forgoBody } from '../http/queued-answers.ts'
import { WithheldEvent } from './event-filter.ts'
import { type Exchange, type ForwardOutcome, failedBeforeAnswer, reasonOf, type ServerHeaders } from './exchange.ts'
import { BodyTooLarge } from './http1/body-sender.ts'
import type { RequestControl, RequestHandler } from './http1/request.ts'
import { endAt, type OpenExchange, type OpenExchanges } from './open-exchanges.ts'
import { announcesMoreThan, streamedBody } from './request-body.ts'
import { type ResponseWriter, responseWriter } from './response-writer.ts'
import { redirectTarget, type Upstream } from './upstreams.ts'
import { withholdingWriter } from './withholding-writer.ts'

export interface AttemptLimits {
  readonly answerTimeoutMs: number
  readonly maxBodyBytes: number
  readonly expiryGraceMs: number
}

/** Methods whose body is not forwarded: their semantics define none (RFC 9110 §9.3, B232). */
const WITHOUT_BODY = new Set(['GET', 'HEAD', 'DELETE'])

/** Sends the exchange to `upstream` once and streams the answer back. Redirects are reported, not followed. */
export function attempt(
  exchange: Exchange,
  upstream: Upstream,
  limits: AttemptLimits,
  open: OpenExchanges,
): Promise<ForwardOutcome> {
  if (exchange.response.destroyed) return Promise.resolve({ kind: 'client_gone' })
  if (exchange.body === 'stream' && announcesMoreThan(exchange.request, limits.maxBodyBytes)) {
    closeAfterAnswer(exchange.response)
    return Promise.resolve({ kind: 'body_too_large' })
  }
  return new Promise((resolve) => start(exchange, upstream, limits, open, resolve))
}

function start(
  exchange: Exchange,
  upstream: Upstream,
  limits: AttemptLimits,
  open: OpenExchanges,
  resolve: (outcome: ForwardOutcome) => void,
): void {
  const { request, response } = exchange
  const method = request.method ?? 'GET'
  const bodyless = WITHOUT_BODY.has(method)
  // GET and subscriptions/listen have no natural end; any other event stream ends with its result.
  const endless = method === 'GET' || request.headers['mcp-method'] === 'subscriptions/listen'
  let settled = false
  let winding = false
  let stopConnecting: (() => void) | undefined
  let controller: RequestControl | undefined
  let writer: ResponseWriter | undefined
  let held: HeldAnswer | undefined
  let stopWatching: (() => void) | undefined

  if (exchange.body === 'stream' && bodyless) request.resume()

  function settle(outcome: ForwardOutcome): void {
    if (settled) return
    settled = true
    stopWatching?.()
    open.remove(entry)
    // What the client has still to send of its body must never be read as the next request (B235).
    if (!request.complete) {
      closeAfterAnswer(response)
      forgoBody(response)
    }
    resolve(outcome)
  }

  /** For every end except that of the upstream's own answer. */
  function abandon(outcome: ForwardOutcome): void {
    settle(outcome)
    stopConnecting?.()
    controller?.abort()
  }

  /** Also called when everything has ended: to take the listener away would cost more. */
  function onClientGone(): void {
    if (!settled) abandon({ kind: 'client_gone' })
  }

  function begin(status: number, headers: ServerHeaders): void {
    const { extraResponseHeaders: extraHeaders, keepAliveMs, filter } = exchange
    const head = { status, headers, extraHeaders, keepAliveMs }
    const whole = filter?.whole(status, headers)
    if (whole === 'withhold') {
      abandon({ kind: 'answer_withheld' })
      return
    }
    writer = whole ? withholdingWriter(request, response, head, whole) : responseWriter(request, response, head)
    if (writer.begun()) response.on('drain', () => controller?.resume())
  }

  /** Returns whether nobody needs the chunk any more. */
  function take(current: RequestControl, chunk: Buffer): boolean {
    if (!exchange.rewrite || !writer?.isEventStream) return pass(current, chunk)
    const bytes = exchange.rewrite(chunk)
    if (bytes instanceof Promise) hold(current, bytes, (rewritten) => pass(current, rewritten))
    else pass(current, bytes)
    return false
  }

  function pass(current: RequestControl, bytes: Buffer): boolean {
    const written = bytes.length > 0 ? writer?.write(bytes) : 'out'
    if (written === 'full') current.pause()
    if (writer?.isWithheld) abandon({ kind: 'answer_withheld' })
    else if (winding && writer?.atEventBoundary()) entry.cut()
    return written === 'out'
  }

  function receive(current: RequestControl, chunk: Buffer): boolean {
    if (!held) return take(current, chunk)
    held.chunks.push(chunk)
    return false
  }

  function finish(): void {
    if (held) held.complete = true
    else if (!settled && writer) {
      writer.end()
      const { isWithheld, bytes } = writer
      settle(isWithheld ? { kind: 'answer_withheld' } : { kind: 'answered', status: response.statusCode, bytes })
    }
  }

  /** Keeps the answer back until `ready`. A server that closes its connection delivers what it had sent, paused or not. */
  function hold<T>(current: RequestControl, ready: Promise<T>, go: (value: T) => void): void {
    const waiting: HeldAnswer = { chunks: [], complete: false }
    held = waiting
    current.pause()
    ready
      .then((value) => {
        held = undefined
        if (settled) return
        go(value)
        for (const chunk of waiting.chunks) if (!settled) receive(current, chunk)
        if (waiting.complete) finish()
        else if (!held && !settled && !response.writableNeedDrain) current.resume()
      })
      .catch((error: Error) => {
        const begun = writer?.begun() === true
        if (begun && error instanceof WithheldEvent) writer?.write(error.before)
        if (begun) writer?.breakOff()
        const [reason, status, bytes] = [reasonOf(error), response.statusCode, writer?.bytes ?? 0]
        abandon(begun ? { kind: 'broken_off', status, bytes, reason } : { kind: 'not_admitted', reason })
      })
  }

  const entry: OpenExchange = {
    owner: exchange.owner,
    token: exchange.token,
    place: 0,
    wind() {
      winding = endless
      if (endless && (!writer?.begun() || writer.atEventBoundary())) entry.cut()
    },
    cut() {
      const written = writer?.begun() === true
      if (writer && written) {
        if (writer.atEventBoundary()) writer.end()
        else writer.breakOff()
      }
      abandon({ kind: 'cut', written })
    },
  }

  const handler: RequestHandler = {
    onConnecting(giveUp) {
      // Whoever has left takes no place any more, so nothing else may hold one either.
      if (settled) giveUp()
      else stopConnecting = giveUp
    },
    onStart(started) {
      stopConnecting = undefined
      // Ended while it waited for a connection: it may not reach the server.
      if (settled) started.abort()
      else controller = started
    },
    onHead(current, status, headers) {
      if (status === 401) return abandon({ kind: 'credential_refused' })
      if (status >= 300 && status < 400 && status !== 304) {
        return abandon({ kind: 'redirected', status, location: redirectTarget(upstream, headers.location) })
      }
      const admitted = exchange.admit?.(exchange, status, headers)
      if (admitted) hold(current, admitted, () => begin(status, headers))
      else begin(status, headers)
    },
    onData: receive,
    onEnd: finish,
    onError(error) {
      if (settled) return
      if (writer?.begun()) {
        writer.breakOff()
        settle({ kind: 'broken_off', status: response.statusCode, bytes: writer.bytes, reason: reasonOf(error) })
      } else {
        const tooLarge = error instanceof BodyTooLarge
        settle(tooLarge ? { kind: 'body_too_large' } : failedBeforeAnswer(error, controller !== undefined))
      }
    },
  }

  response.on('error', ignore)
  response.on('close', onClientGone)
  open.add(entry)
  // A forwarder that is draining may have ended it at once.
  if (settled) return
  if (endless && exchange.endsAt !== undefined) stopWatching = endAt(entry, exchange.endsAt, limits.expiryGraceMs)
  upstream.pool.dispatch(
    {
      method,
      path: pathWithQuery(upstream, exchange.query),
      headers: exchange.headers,
      body: bodyless
        ? undefined
        : exchange.body === 'stream'
          ? streamedBody(request, limits.maxBodyBytes)
          : exchange.body,
      answerTimeoutMs: method === 'GET' ? 0 : limits.answerTimeoutMs,
    },
    handler,
  )
}

/** What came of an answer while it was kept back. */
interface HeldAnswer {
  readonly chunks: Buffer[]
  complete: boolean
}

/** A write that loses a race against the client's leaving; `close` tells us everything. */
function ignore(): void {}

function pathWithQuery(upstream: Upstream, query: string): string {
  const own = upstream.url.search
  if (query === '') return upstream.path + own
  return `${upstream.path}${own === '' ? '?' : `${own}&`}${query}`
}
