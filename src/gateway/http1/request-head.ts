import type { HeaderLines } from '../headers.ts'

/** RFC 9110 §5.5: what is not allowed in a field value; a line break in one would begin another field or request. */
const NOT_IN_A_VALUE = /[^\t\x20-\x7e\x80-\xff]/

/** How the body of a request is delimited (RFC 9112 §6): by its length in bytes, in chunks, or not at all. */
export type Framing = number | 'chunked' | 'none'

/** Thrown for a header that cannot be written; nothing of the request was sent. */
export class UnsendableHeader extends TypeError {
  override readonly name = 'UnsendableHeader'
  readonly code = 'HEADER_NOT_SENDABLE'
}

/**
 * Request line and header lines with the empty line behind them, to be written as latin1 (RFC 9112 §3, §5). `path` comes
 * from the configuration or from a target that was checked, names from a list that was checked; values are checked here.
 * Throws {@link UnsendableHeader}.
 */
export function requestHead(
  method: string,
  path: string,
  host: string,
  headers: HeaderLines,
  framing: Framing,
): string {
  let head = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n`
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined || name === 'content-length') continue
    if (typeof value === 'string') head += line(name, value)
    else for (const one of value) head += line(name, one)
  }
  if (framing === 'chunked') return `${head}transfer-encoding: chunked\r\n\r\n`
  return framing === 'none' ? `${head}\r\n` : `${head}content-length: ${framing}\r\n\r\n`
}

function line(name: string, value: string): string {
  if (NOT_IN_A_VALUE.test(value)) throw new UnsendableHeader(name)
  return `${name}: ${value}\r\n`
}
