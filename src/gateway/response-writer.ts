import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { closeAfterAnswer } from '../http/close-after-answer.ts'
import { eventBoundary } from './event-boundary.ts'
import { clientHeaders, isEventStream } from './headers.ts'
import { keepAlive } from './keep-alive.ts'

/** An answer with a known length up to this many bytes is collected and leaves in one write. */
const COLLECTED_BYTES = 64 * 1024
/** Beyond this, copying costs more than a second write. */
const ONE_WRITE_BYTES = 8 * 1024
/** Idle before the kernel asks whether a silent client is still there (C34). */
const TCP_KEEP_ALIVE_MS = 60_000

/** What the MCP server answered, before its body. */
export interface AnswerHead {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly extraHeaders: Readonly<Record<string, string>>
  /** After so many ms of silence an event stream gets a comment. */
  readonly keepAliveMs?: number | undefined
}

/** Writes one answer to the client. */
export interface ResponseWriter {
  /** Body bytes taken so far. */
  readonly bytes: number
  /** Whether the client has seen the status line. */
  begun(): boolean
  /**
   * Takes a piece of the body: it is out already, or it is `kept` and must stay as it is; `full` besides asks the caller
   * to pause until the response drains.
   */
  write(chunk: Buffer): 'out' | 'kept' | 'full'
  /** The answer is complete. */
  end(): void
  /** Ends the client's connection so that no client can take the answer for complete (P-69). */
  breakOff(): void
  /** Whether an event stream could end here without cutting an event in two. */
  atEventBoundary(): boolean
  readonly isEventStream: boolean
  /** Set when the client must get nothing of the answer; then nothing was written. */
  readonly isWithheld?: boolean
}

/**
 * Starts the client's answer. Event streams and answers of unknown or larger length are begun at once, so that a quiet
 * stream delivers its status (P-60); small ones wait for their body. Throws if the headers cannot be sent.
 */
export function responseWriter(request: IncomingMessage, response: ServerResponse, head: AnswerHead): ResponseWriter {
  const headers = clientHeaders(head.headers, head.extraHeaders)
  // An answer that overtakes its request: what is still to come must never be read as the next request (B235).
  if (!request.complete) closeAfterAnswer(response)
  if (isEventStream(head.headers['content-type']?.toString())) return eventWriter(response, head, headers)
  const length = Number(head.headers['content-length'] ?? Number.NaN)
  // RFC 9110 §8.6: servers that say so nevertheless are corrected.
  if (head.status === 204) delete headers['content-length']
  const bodiless = request.method === 'HEAD' || head.status === 204 || head.status === 304
  if (bodiless || length <= COLLECTED_BYTES) return collectingWriter(response, head.status, headers)
  return streamingWriter(response, head.status, headers)
}

function collectingWriter(response: ServerResponse, status: number, headers: OutgoingHttpHeaders): ResponseWriter {
  const chunks: Buffer[] = []
  const writer = {
    bytes: 0,
    isEventStream: false,
    begun: () => response.headersSent,
    write(chunk: Buffer) {
      writer.bytes += chunk.length
      chunks.push(chunk)
      return 'kept' as const
    },
    end() {
      response.writeHead(status, headers)
      const body = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)
      // A byte for each character: what is a string leaves in one write together with the head.
      if (body.length <= ONE_WRITE_BYTES) response.end(body.toString('latin1'), 'latin1')
      else response.end(body)
    },
    breakOff: () => response.destroy(),
    atEventBoundary: () => false,
  }
  return writer
}

function streamingWriter(response: ServerResponse, status: number, headers: OutgoingHttpHeaders): ResponseWriter {
  response.writeHead(status, headers)
  response.flushHeaders()
  const writer = {
    bytes: 0,
    isEventStream: false,
    begun: () => true,
    write(chunk: Buffer) {
      writer.bytes += chunk.length
      return writeNow(response, chunk)
    },
    end() {
      response.end()
    },
    breakOff() {
      // A missing last chunk or a missing rest is noticed; where the end of the connection is the end of the body
      // (HTTP/1.0), only a reset is.
      if (!response.chunkedEncoding && headers['content-length'] === undefined) response.socket?.resetAndDestroy()
      response.destroy()
    },
    atEventBoundary: () => false,
  }
  return writer
}

/** Node would wait for more to write until the end of this turn, and memory could not be used again before. */
function writeNow(response: ServerResponse, chunk: Buffer): 'out' | 'kept' | 'full' {
  const { socket } = response
  socket?.cork()
  const goesOn = response.write(chunk)
  socket?.uncork()
  if (response.writableLength === 0) return 'out'
  return goesOn ? 'kept' : 'full'
}

function eventWriter(response: ServerResponse, head: AnswerHead, headers: OutgoingHttpHeaders): ResponseWriter {
  const stream = streamingWriter(response, head.status, headers)
  const boundary = eventBoundary()
  const silence = head.keepAliveMs === undefined ? undefined : keepAlive(response, head.keepAliveMs, boundary.reached)
  response.socket?.setKeepAlive(true, TCP_KEEP_ALIVE_MS)
  return {
    get bytes() {
      return stream.bytes
    },
    isEventStream: true,
    begun: () => true,
    write(chunk) {
      boundary.follow(chunk)
      silence?.heard()
      return stream.write(chunk)
    },
    end: stream.end,
    breakOff: stream.breakOff,
    atEventBoundary: boundary.reached,
  }
}
