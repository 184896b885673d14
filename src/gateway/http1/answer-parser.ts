import type { ServerHeaders } from '../exchange.ts'
import { type AnswerHead, readAnswerHead, readFields } from './answer-head.ts'
import { MalformedAnswer } from './malformed-answer.ts'
import { TextUntil } from './text-until.ts'

/** What is heard of one answer, in this order: `head` once, `data` any number of times, `end` once. */
export interface AnswerEvents {
  head(status: number, headers: ServerHeaders): void
  /** All of the body that one feeding brought: a view of what was fed. */
  data(chunk: Buffer): void
  /** `reusable`: whether another request may follow on this connection (RFC 9112 §9.3). */
  end(reusable: boolean): void
}

/** Reads the answers on one connection, one after another. */
export interface AnswerParser {
  /** The answer to a request of this method is expected from now on. */
  expect(method: string): void
  /**
   * Takes what arrived; the body is drawn together in it, so that it is another one afterwards. Throws
   * {@link MalformedAnswer}, also for bytes that nobody asked for.
   */
  feed(chunk: Buffer): void
  /** The server has closed its side: the end of a body without length, or else a {@link MalformedAnswer}. */
  finish(): void
}

/** For the head, and again for trailers. */
const MAX_HEAD_BYTES = 64 * 1024
/** A chunk size with its extensions; anything longer carries something else. */
const MAX_CHUNK_LINE_BYTES = 1024
/** Answers of status 1xx before the answer proper. */
const MAX_INTERIM = 32

const LENGTH = /^[0-9]{1,15}$/
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;[\t -~\x80-\xff]*)?$/
const CRLF = [0x0d, 0x0a]
const NOTHING = Buffer.alloc(0)

type State = 'idle' | 'head' | 'length' | 'until-close' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailers'

/**
 * A reader of HTTP/1.1 answers (RFC 9112) that refuses whatever is ambiguous: two lengths, a length beside chunks, codings
 * other than chunked, folded lines. Bodies are passed on as they come and never gathered.
 */
export function createAnswerParser(events: AnswerEvents): AnswerParser {
  return new Parser(events)
}

/** There is one for each connection, and methods take no memory. */
class Parser implements AnswerParser {
  readonly #events: AnswerEvents
  #state: State = 'idle'
  #method = ''
  #interim = 0
  #reusable = false
  /** Bytes of the body, of the chunk, or of the line end behind it, that are still to come. */
  #left = 0
  /** A head, chunk size or trailers that did not come at once. */
  #text: TextUntil | undefined
  /** What has been fed of the body and is not passed on yet. */
  #body: Buffer | undefined

  constructor(events: AnswerEvents) {
    this.#events = events
  }

  expect(method: string): void {
    this.#method = method
    this.#interim = 0
    this.#state = 'head'
  }

  feed(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0) rest = this.#step(rest)
    this.#passOn()
  }

  finish(): void {
    if (this.#state === 'idle') return
    if (this.#state !== 'until-close') throw new MalformedAnswer('ANSWER_CUT_SHORT')
    this.#reusable = false
    this.#endAnswer()
  }

  #step(bytes: Buffer): Buffer {
    switch (this.#state) {
      case 'idle':
        throw new MalformedAnswer('ANSWER_UNASKED')
      case 'head':
        return this.#readText(bytes, '\r\n\r\n', MAX_HEAD_BYTES)
      case 'until-close':
        this.#gather(bytes)
        return NOTHING
      case 'chunk-size':
        return this.#readText(bytes, '\r\n', MAX_CHUNK_LINE_BYTES)
      case 'length':
      case 'chunk-data':
        return this.#readCounted(bytes)
      case 'chunk-end':
        return this.#readChunkEnd(bytes)
      case 'trailers':
        // The line end of the last chunk size has passed already.
        return this.#readText(bytes, '\r\n\r\n', MAX_HEAD_BYTES, '\r\n')
    }
  }

  #readText(bytes: Buffer, end: string, most: number, before = ''): Buffer {
    const at = this.#text || before !== '' ? -1 : bytes.indexOf(end)
    if (at !== -1 && at <= most) {
      this.#takeText(bytes.toString('latin1', 0, at))
      return bytes.subarray(at + end.length)
    }
    this.#text ??= new TextUntil(end, most, before)
    const taken = this.#text.take(bytes)
    if (!taken) return NOTHING
    this.#text = undefined
    this.#takeText(taken.text)
    return taken.rest
  }

  #takeText(text: string): void {
    if (this.#state === 'head') this.#takeHead(readAnswerHead(text))
    else if (this.#state === 'chunk-size') this.#takeChunkSize(text)
    else this.#takeTrailers(text)
  }

  #takeHead({ status, isHttp11, headers }: AnswerHead): void {
    if (status < 200) {
      this.#passOver(status)
      return
    }
    this.#reusable = staysOpen(isHttp11, headers.connection)
    this.#enterBody(status, isHttp11, headers)
    const bodiless = this.#state === 'idle'
    this.#events.head(status, headers)
    if (bodiless) this.#events.end(this.#reusable)
  }

  /** RFC 9110 §15.2: an interim answer is followed by another one. Switching protocols was never asked for. */
  #passOver(status: number): void {
    this.#interim += 1
    if (status === 101 || this.#interim > MAX_INTERIM) throw new MalformedAnswer('ANSWER_INTERIM')
  }

  /** RFC 9112 §6.3, the strict reading of it. */
  #enterBody(status: number, isHttp11: boolean, headers: ServerHeaders): void {
    const coding = headers['transfer-encoding']
    const length = headers['content-length']
    if (coding !== undefined && (length !== undefined || !isHttp11 || String(coding).toLowerCase() !== 'chunked'))
      throw new MalformedAnswer('ANSWER_FRAMING')
    if (length !== undefined && (typeof length !== 'string' || !LENGTH.test(length)))
      throw new MalformedAnswer('ANSWER_FRAMING')
    this.#left = Number(length ?? 0)
    if (this.#method === 'HEAD' || status === 204 || status === 304) this.#state = 'idle'
    else if (coding !== undefined) this.#state = 'chunk-size'
    else if (length === undefined) this.#state = 'until-close'
    else this.#state = this.#left === 0 ? 'idle' : 'length'
  }

  #readCounted(bytes: Buffer): Buffer {
    const part = bytes.length <= this.#left ? bytes : bytes.subarray(0, this.#left)
    this.#left -= part.length
    this.#gather(part)
    if (this.#left === 0) {
      if (this.#state === 'length') this.#endAnswer()
      else {
        this.#state = 'chunk-end'
        this.#left = CRLF.length
      }
    }
    return bytes.subarray(part.length)
  }

  #takeChunkSize(line: string): void {
    const size = CHUNK_SIZE.exec(line)?.[1]
    if (size === undefined) throw new MalformedAnswer('ANSWER_FRAMING')
    this.#left = Number.parseInt(size, 16)
    this.#state = this.#left === 0 ? 'trailers' : 'chunk-data'
  }

  #readChunkEnd(bytes: Buffer): Buffer {
    if (bytes[0] !== CRLF.at(-this.#left)) throw new MalformedAnswer('ANSWER_FRAMING')
    this.#left -= 1
    if (this.#left === 0) this.#state = 'chunk-size'
    return bytes.subarray(1)
  }

  /** RFC 9112 §7.1.2: trailers are read over; nobody may merge them into a head that has gone. */
  #takeTrailers(text: string): void {
    readFields(text, 0)
    this.#endAnswer()
  }

  #endAnswer(): void {
    this.#passOn()
    this.#state = 'idle'
    this.#events.end(this.#reusable)
  }

  /** A server may cut its answer into pieces as small as it likes; the client gets those that came together as one. */
  #gather(part: Buffer): void {
    const body = this.#body
    if (!body) {
      this.#body = part
      return
    }
    // What lies between the two was their framing.
    this.#body = Buffer.from(body.buffer, body.byteOffset, body.length + part.length)
    part.copy(this.#body, body.length)
  }

  #passOn(): void {
    const body = this.#body
    this.#body = undefined
    if (body) this.#events.data(body)
  }
}

/** RFC 9112 §9.3. */
function staysOpen(isHttp11: boolean, connection: string | string[] | undefined): boolean {
  if (connection === undefined || connection === 'keep-alive') return isHttp11 || connection !== undefined
  const options = String(connection)
    .toLowerCase()
    .split(',')
    .map((option) => option.trim())
  return !options.includes('close') && (isHttp11 || options.includes('keep-alive'))
}
