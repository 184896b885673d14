import type { Socket } from 'node:net'
import { createAnswerParser } from './answer-parser.ts'
import { type BodySender, sendBody } from './body-sender.ts'
import { NoAnswer, type RequestControl, type RequestHandler, type UpstreamRequest } from './request.ts'
import type { Framing } from './request-head.ts'
import { connectTo, type Origin } from './socket.ts'

/** One connection to an MCP server: one request at a time, and none before the last answer is complete. */
export interface Connection {
  /** For how long its server is likely to keep it open although nothing happens, in ms. */
  readonly idleMs: number
  readonly isOpen: boolean
  /** Sends a request whose head has been written out with {@link framingOf} its body. */
  send(head: string, request: UpstreamRequest, handler: RequestHandler): void
  destroy(): void
}

/** What whoever keeps a connection hears of it. */
export interface ConnectionKeeper {
  /** Its answer is complete, and another request may follow. */
  onFree(connection: Connection): void
  /** It is of no use any more; said once. */
  onGone(connection: Connection): void
}

/** Clearly shorter than the idle limit of every common server that does not name it; gunicorn's is the shortest, 2 s. */
const IDLE_MS = 1500
const LONGEST_IDLE_MS = 10 * 60_000
/** A connection is given up so much earlier than its server would, or a request could meet one that is being closed. */
const IDLE_MARGIN_MS = 2000

/** The request on a connection. */
interface Current {
  readonly handler: RequestHandler
  readonly control: RequestControl
  body?: BodySender
}

/** Connects; `onOpen` hears either of the connection or, within `connectTimeoutMs`, of why there is none. */
export function openConnection(
  origin: Origin,
  connectTimeoutMs: number,
  keeper: ConnectionKeeper,
  onOpen: (connection: Connection | Error) => void,
): Connection {
  const socket: Socket = connectTo(origin, receive)
  /** It holds the first request, so it is let go of when it has heard: connections live longer. */
  let hear: typeof onOpen | undefined = onOpen
  let current: Current | undefined
  let isFree = false
  let isLent = true
  /** Whether nobody needs what was received last any more. */
  let isDone = true
  let idleMs = IDLE_MS
  let trouble: Error | undefined
  const connecting = setTimeout(() => fail(new NoAnswer('CONNECT_TIMEOUT')), connectTimeoutMs)
  let waiting = false
  /** One timer for all requests; setting and clearing one for each would cost more than sending it. */
  let answerTimer: NodeJS.Timeout | undefined
  let answerTimeoutMs = 0

  const parser = createAnswerParser({
    head(status, headers) {
      waiting = false
      idleMs = idleTime(headers['keep-alive'])
      current?.handler.onHead(current.control, status, headers)
    },
    data(chunk) {
      if (current) isDone = current.handler.onData(current.control, isLent ? Buffer.from(chunk) : chunk) === true
    },
    end(reusable) {
      // An answer that overtook the body of its request: what is left of that would be read as the next request.
      isFree = reusable && current?.body?.complete !== false && socket.writableLength === 0
      current?.body?.stop()
      current?.handler.onEnd()
      // Not before: whoever fails to end it hears of that.
      current = undefined
    },
  })

  /** A request and its reins. Whoever is slow holds them when the next request is on the way: that one is not theirs. */
  function currentOf(handler: RequestHandler): Current {
    const started: Current = {
      handler,
      control: {
        abort() {
          if (current !== started) return
          started.body?.stop()
          current = undefined
          socket.destroy()
        },
        pause: () => void (current === started && socket.pause()),
        resume: () => void (current === started && socket.resume()),
      },
    }
    return started
  }

  function receive(chunk: Buffer, lent: boolean): boolean {
    isLent = lent
    isDone = true
    try {
      parser.feed(chunk)
    } catch (error) {
      fail(error as Error)
      return isDone
    }
    if (current || socket.destroyed) return isDone
    if (isFree) release()
    else socket.destroy()
    return isDone
  }

  function awaitAnswer(timeoutMs: number): void {
    waiting = true
    if (answerTimer && timeoutMs === answerTimeoutMs) {
      answerTimer.refresh()
      return
    }
    clearTimeout(answerTimer)
    answerTimeoutMs = timeoutMs
    answerTimer = setTimeout(() => waiting && fail(new NoAnswer('ANSWER_TIMEOUT')), timeoutMs).unref()
  }

  function release(): void {
    isFree = false
    socket.resume()
    keeper.onFree(connection)
  }

  function fail(error: Error): void {
    trouble ??= error
    socket.destroy()
  }

  function onEnd(): void {
    try {
      parser.finish()
    } catch {
      trouble ??= new NoAnswer('CONNECTION_ENDED')
    }
    socket.destroy()
  }

  function onClose(): void {
    clearTimeout(connecting)
    clearTimeout(answerTimer)
    const error = trouble ?? new NoAnswer('CONNECTION_ENDED')
    hear?.(error)
    const failed = current
    current = undefined
    failed?.body?.stop()
    failed?.handler.onError(error)
    keeper.onGone(connection)
  }

  const connection: Connection = {
    get idleMs() {
      return idleMs
    },
    get isOpen() {
      return !socket.destroyed
    },
    send(head, request, handler) {
      const started = currentOf(handler)
      current = started
      handler.onStart(started.control)
      // Given up in the last moment: then nothing of it may reach the server.
      if (current !== started) return
      parser.expect(request.method)
      const { body } = request
      if (Buffer.isBuffer(body)) socket.write(joined(head, body))
      else socket.write(head, 'latin1')
      if (body && 'stream' in body) started.body = sendBody(socket, body, fail)
      if (request.answerTimeoutMs > 0) awaitAnswer(request.answerTimeoutMs)
    },
    destroy: () => void socket.destroy(),
  }

  socket.on(origin.isTls ? 'secureConnect' : 'connect', () => {
    clearTimeout(connecting)
    const tell = hear
    hear = undefined
    tell?.(connection)
  })
  socket.on('error', (error) => {
    trouble ??= error
  })
  socket.on('end', onEnd)
  socket.on('close', onClose)
  return connection
}

/** How the body of a request is delimited; methods that are sent without one say nothing about it (RFC 9110 §8.6). */
export function framingOf({ method, body }: UpstreamRequest): Framing {
  if (Buffer.isBuffer(body)) return body.length
  if (body) return body.length ?? 'chunked'
  return method === 'GET' || method === 'HEAD' || method === 'DELETE' ? 'none' : 0
}

/** One piece leaves in one write. */
function joined(head: string, body: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(head.length + body.length)
  bytes.write(head, 0, 'latin1')
  body.copy(bytes, head.length)
  return bytes
}

/** What a server says about its patience: `Keep-Alive: timeout=5` (RFC 2068 §19.7.1, still in use). */
function idleTime(keepAlive: string | string[] | undefined): number {
  const seconds = keepAlive === undefined ? undefined : /(?:^|,)\s*timeout=([0-9]{1,6})/i.exec(String(keepAlive))?.[1]
  if (seconds === undefined) return IDLE_MS
  return Math.min(Math.max(0, Number(seconds) * 1000 - IDLE_MARGIN_MS), LONGEST_IDLE_MS)
}
