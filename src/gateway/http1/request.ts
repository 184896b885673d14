import type { Readable } from 'node:stream'
import type { ServerHeaders } from '../exchange.ts'
import type { HeaderLines } from '../headers.ts'

/** A request as it goes to an MCP server. */
export interface UpstreamRequest {
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly headers: HeaderLines
  /** Absent: no body. */
  readonly body?: Buffer | StreamedBody | undefined
  /** How long the answer's head may take, in ms; 0: for ever. */
  readonly answerTimeoutMs: number
}

/** A body that is sent as it comes. */
export interface StreamedBody {
  /** Paused and resumed, and never destroyed: it may come over a connection that has to carry the answer. */
  readonly stream: Readable
  /** In bytes, where that is known. */
  readonly length?: number
  /** Absent: no limit. */
  readonly maxBytes?: number
  /** Hears of chunks that nobody needs any more. */
  readonly release?: (chunk: Buffer) => void
}

/** The reins of a request that is under way; afterwards they move nothing, whatever its connection then carries. */
export interface RequestControl {
  /** Ends it without a further word; its connection is closed unless the answer is complete. */
  abort(): void
  /** Stops reading the answer, as soon as what has been read already is delivered. */
  pause(): void
  resume(): void
}

/**
 * What becomes of a request: `onStart` once it is about to be written, then `onHead`, `onData` any number of times and
 * `onEnd`; or `onError` once, at any time. Nothing follows `onEnd`, `onError` or an abort.
 */
export interface RequestHandler {
  /** A connection is being made for it, which `giveUp` ends; once it has started, that does nothing. */
  onConnecting?(giveUp: () => void): void
  onStart(control: RequestControl): void
  onHead(control: RequestControl, status: number, headers: ServerHeaders): void
  /**
   * What arrived of the body, at once. The chunk is the handler's own, unless it returns true: it is done with it, and the
   * memory is used again.
   */
  onData(control: RequestControl, chunk: Buffer): boolean
  onEnd(): void
  /** `code` of the error says why. */
  onError(error: Error): void
}

/** Why there is no answer, by a code in Node's manner. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
  readonly code: 'CONNECT_TIMEOUT' | 'ANSWER_TIMEOUT' | 'CONNECTION_ENDED'

  constructor(code: NoAnswer['code']) {
    super(code)
    this.code = code
  }
}
