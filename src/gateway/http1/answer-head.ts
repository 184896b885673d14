import type { ServerHeaders } from '../exchange.ts'
import { MalformedAnswer } from './malformed-answer.ts'

/** RFC 9110 §5.5: visible characters, with blanks and tabs between them. */
const VALUE = '[!-~\\x80-\\xff](?:[\\t -~\\x80-\\xff]*[!-~\\x80-\\xff])?'
/**
 * The lines of a head (RFC 9112 §4, §5), each with its end, or the end of the text. Anything else in between is no head: lone
 * CR or LF, control characters, folded lines, blanks before a colon. No run of blanks may match in two ways: to try them
 * all takes seconds.
 */
const STATUS_LINE = /HTTP\/1\.([01]) ([1-9][0-9]{2})(?: [\t -~\x80-\xff]*)?(?:\r\n|$)/y
const FIELD_LINE = new RegExp(`([!#$%&'*+\\-.^_\`|~0-9A-Za-z]+):[ \\t]*(?:(${VALUE})[ \\t]*)?(?:\\r\\n|$)`, 'y')

/** What stands before the body of an answer. */
export interface AnswerHead {
  readonly status: number
  /** Otherwise it is HTTP/1.0. */
  readonly isHttp11: boolean
  readonly headers: ServerHeaders
}

/** The head that was read last: under load servers repeat themselves, within a second even the date. */
let last: { readonly text: string; readonly head: AnswerHead } | undefined

/**
 * Status line and header lines, without the empty line behind them; the headers are the caller's own. Throws
 * {@link MalformedAnswer}.
 */
export function readAnswerHead(text: string): AnswerHead {
  if (last?.text !== text) last = { text, head: parseAnswerHead(text) }
  const { status, isHttp11, headers } = last.head
  return { status, isHttp11, headers: copyOf(headers) }
}

function parseAnswerHead(text: string): AnswerHead {
  STATUS_LINE.lastIndex = 0
  const line = STATUS_LINE.exec(text)
  if (!line) throw new MalformedAnswer('ANSWER_NOT_HTTP')
  const from = STATUS_LINE.lastIndex
  return { status: Number(line[2]), isHttp11: line[1] === '1', headers: readFields(text, from) }
}

/** Header lines from `from` on, by lower-case name; an array where a name has several lines. Throws {@link MalformedAnswer}. */
export function readFields(text: string, from: number): ServerHeaders {
  const headers = new Fields()
  for (FIELD_LINE.lastIndex = from; FIELD_LINE.lastIndex < text.length; ) {
    const line = FIELD_LINE.exec(text)
    if (!line) throw new MalformedAnswer('ANSWER_HEAD_MALFORMED')
    const [, name = '', value = ''] = line
    add(headers, name.toLowerCase(), value)
  }
  return headers
}

/** Objects without inherited names; made by a constructor, they cost engines no more than others. */
class Fields implements ServerHeaders {
  [name: string]: string | string[] | undefined
}
Object.setPrototypeOf(Fields.prototype, null)
Reflect.deleteProperty(Fields.prototype, 'constructor')

function copyOf(headers: ServerHeaders): ServerHeaders {
  const copy = new Fields()
  for (const name in headers) {
    const value = headers[name]
    copy[name] = typeof value === 'object' ? [...value] : value
  }
  return copy
}

function add(headers: ServerHeaders, name: string, value: string): void {
  const present = headers[name]
  if (present === undefined) headers[name] = value
  else if (Array.isArray(present)) present.push(value)
  else headers[name] = [present, value]
}
