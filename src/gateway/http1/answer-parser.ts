import type { ServerHeaders } from '../exchange.ts'

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

/** An answer that is not HTTP/1.1, or not certainly so: two readers could see two different answers in it. */
export class MalformedAnswer extends Error {
  override readonly name = 'MalformedAnswer'
  readonly code: string

  constructor(code: string) {
    super(code)
    this.code = code
  }
}

/** For the head, and again for trailers. */
const MAX_HEAD_BYTES = 64 * 1024
/** A chunk size with its extensions; anything longer carries something else. */
const MAX_CHUNK_LINE_BYTES = 1024
/** Answers of status 1xx before the answer proper. */
const MAX_INTERIM = 32

/** RFC 9110 §5.5: visible characters, with blanks and tabs between them. */
const VALUE = '[!-~\\x80-\\xff](?:[\\t -~\\x80-\\xff]*[!-~\\x80-\\xff])?'
/**
 * The lines of a head (RFC 9112 §4, §5), each with its end, or the end of the text. Anything else in between is no head: lone
 * CR or LF, control characters, folded lines, blanks before a colon. No run of blanks may match in two ways: to try them
 * all takes seconds.
 */
const STATUS_LINE = /HTTP\/1\.([01]) ([1-9][0-9]{2})(?: [\t -~\x80-\xff]*)?(?:\r\n|$)/y
const FIELD_LINE = new RegExp(`([!#$%&'*+\\-.^_\`|~0-9A-Za-z]+):[ \\t]*(?:(${VALUE})[ \\t]*)?(?:\\r\\n|$)`, 'y')
const LENGTH = /^[0-9]{1,15}$/
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;[\t -~\x80-\xff]*)?$/

type State = 'idle' | 'head' | 'length' | 'until-close' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailers'

/**
 * A reader of HTTP/1.1 answers (RFC 9112) that refuses whatever is ambiguous: two lengths, a length beside chunks, codings
 * other than chunked, folded lines. Bodies are passed on as they come and never gathered.
 */
export function createAnswerParser(events: AnswerEvents): AnswerParser {
  let state: State = 'idle'
  let method = ''
  let interim = 0
  let reusable = false
  /** Bytes of the body, or of the chunk, that are still to come. */
  let left = 0
  /** The beginning of a line or head whose end has not arrived. */
  let pending: Buffer | undefined
  /** What has been fed of the body and is not passed on yet. */
  let body: Buffer | undefined

  function feed(chunk: Buffer): void {
    let rest = pending === undefined ? chunk : Buffer.concat([pending, chunk])
    pending = undefined
    while (rest.length > 0) rest = step(rest)
    passOn()
  }

  /** A server may cut its answer into pieces as small as it likes; the client gets those that came together as one. */
  function gather(part: Buffer): void {
    if (body === undefined) {
      body = part
      return
    }
    // What lies between the two was their framing.
    const joined = Buffer.from(body.buffer, body.byteOffset, body.length + part.length)
    part.copy(joined, body.length)
    body = joined
  }

  function passOn(): void {
    const passed = body
    body = undefined
    if (passed) events.data(passed)
  }

  function step(bytes: Buffer): Buffer {
    switch (state) {
      case 'idle':
        throw new MalformedAnswer('ANSWER_UNASKED')
      case 'head':
        return readHead(bytes)
      case 'length':
        return readCounted(bytes, endAnswer)
      case 'until-close':
        gather(bytes)
        return NOTHING
      case 'chunk-size':
        return readChunkSize(bytes)
      case 'chunk-data':
        return readCounted(bytes, () => enter('chunk-end'))
      case 'chunk-end':
        return readChunkEnd(bytes)
      case 'trailers':
        return readTrailers(bytes)
    }
  }

  function enter(next: State): void {
    state = next
  }

  function readHead(bytes: Buffer): Buffer {
    const end = bytes.indexOf('\r\n\r\n')
    if (end === -1 || end > MAX_HEAD_BYTES) return wait(bytes, MAX_HEAD_BYTES)
    takeHead(bytes.toString('latin1', 0, end))
    return bytes.subarray(end + 4)
  }

  function takeHead(text: string): void {
    STATUS_LINE.lastIndex = 0
    const line = STATUS_LINE.exec(text)
    if (!line) throw new MalformedAnswer('ANSWER_NOT_HTTP')
    const status = Number(line[2])
    const headers = readFields(text, STATUS_LINE.lastIndex)
    if (status < 200) {
      passOver(status)
      return
    }
    reusable = staysOpen(line[1] === '1', headers.connection)
    enterBody(status, line[1] === '1', headers)
    const bodiless = state === 'idle'
    events.head(status, headers)
    if (bodiless) events.end(reusable)
  }

  /** RFC 9110 §15.2: an interim answer is followed by another one. Switching protocols was never asked for. */
  function passOver(status: number): void {
    interim += 1
    if (status === 101 || interim > MAX_INTERIM) throw new MalformedAnswer('ANSWER_INTERIM')
  }

  /** RFC 9112 §6.3, the strict reading of it. */
  function enterBody(status: number, isHttp11: boolean, headers: ServerHeaders): void {
    const coding = headers['transfer-encoding']
    const length = headers['content-length']
    if (coding !== undefined && (length !== undefined || !isHttp11 || String(coding).toLowerCase() !== 'chunked'))
      throw new MalformedAnswer('ANSWER_FRAMING')
    if (length !== undefined && (typeof length !== 'string' || !LENGTH.test(length)))
      throw new MalformedAnswer('ANSWER_FRAMING')
    left = Number(length ?? 0)
    if (method === 'HEAD' || status === 204 || status === 304) state = 'idle'
    else if (coding !== undefined) state = 'chunk-size'
    else if (length === undefined) state = 'until-close'
    else state = left === 0 ? 'idle' : 'length'
  }

  function readCounted(bytes: Buffer, complete: () => void): Buffer {
    const part = bytes.length <= left ? bytes : bytes.subarray(0, left)
    left -= part.length
    gather(part)
    if (left === 0) complete()
    return bytes.subarray(part.length)
  }

  function readChunkSize(bytes: Buffer): Buffer {
    const end = bytes.indexOf('\r\n')
    if (end === -1 || end > MAX_CHUNK_LINE_BYTES) return wait(bytes, MAX_CHUNK_LINE_BYTES)
    const line = bytes.toString('latin1', 0, end)
    const size = CHUNK_SIZE.exec(line)?.[1]
    if (size === undefined) throw new MalformedAnswer('ANSWER_FRAMING')
    left = Number.parseInt(size, 16)
    enter(left === 0 ? 'trailers' : 'chunk-data')
    return bytes.subarray(end + 2)
  }

  function readChunkEnd(bytes: Buffer): Buffer {
    if (bytes.length < 2) return wait(bytes, 1)
    if (bytes[0] !== 0x0d || bytes[1] !== 0x0a) throw new MalformedAnswer('ANSWER_FRAMING')
    enter('chunk-size')
    return bytes.subarray(2)
  }

  /** RFC 9112 §7.1.2: trailers are read over; nobody may merge them into a head that has gone. */
  function readTrailers(bytes: Buffer): Buffer {
    const end = bytes.indexOf('\r\n')
    if (end !== 0) {
      const all = bytes.indexOf('\r\n\r\n')
      if (all === -1 || all > MAX_HEAD_BYTES) return wait(bytes, MAX_HEAD_BYTES)
      readFields(bytes.toString('latin1', 0, all), 0)
      endAnswer()
      return bytes.subarray(all + 4)
    }
    endAnswer()
    return bytes.subarray(2)
  }

  function endAnswer(): void {
    passOn()
    state = 'idle'
    events.end(reusable)
  }

  function wait(bytes: Buffer, limit: number): Buffer {
    if (bytes.length > limit + 4) throw new MalformedAnswer('ANSWER_HEAD_TOO_LARGE')
    // What was fed is only lent.
    pending = Buffer.from(bytes)
    return NOTHING
  }

  return {
    expect(nextMethod) {
      method = nextMethod
      interim = 0
      state = 'head'
    },
    feed,
    finish() {
      if (state === 'idle') return
      if (state !== 'until-close') throw new MalformedAnswer('ANSWER_CUT_SHORT')
      reusable = false
      endAnswer()
    },
  }
}

const NOTHING = Buffer.alloc(0)

/** Objects without inherited names; made by a constructor, they cost engines no more than others. */
class Fields implements ServerHeaders {
  [name: string]: string | string[] | undefined
}
Object.setPrototypeOf(Fields.prototype, null)
Reflect.deleteProperty(Fields.prototype, 'constructor')

/** Header lines from `from` on, by lower-case name; an array where a name has several lines. */
function readFields(text: string, from: number): ServerHeaders {
  const headers = new Fields()
  for (FIELD_LINE.lastIndex = from; FIELD_LINE.lastIndex < text.length; ) {
    const line = FIELD_LINE.exec(text)
    if (!line) throw new MalformedAnswer('ANSWER_HEAD_MALFORMED')
    const [, name = '', value = ''] = line
    add(headers, name.toLowerCase(), value)
  }
  return headers
}

function add(headers: ServerHeaders, name: string, value: string): void {
  const present = headers[name]
  if (present === undefined) headers[name] = value
  else if (Array.isArray(present)) present.push(value)
  else headers[name] = [present, value]
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
