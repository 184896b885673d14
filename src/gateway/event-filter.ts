import type { StreamRewrite } from './endpoint-event.ts'

/** Thrown into an event stream that holds something of which nobody can say whether the client may see it. */
export class WithheldEvent extends Error {
  override readonly name = 'WithheldEvent'
  /** What came at the same time and before it. */
  readonly before: Buffer

  constructor(before: Buffer) {
    super('withheld event')
    this.before = before
  }
}

/** Far more than any list of tools; an event that is longer ends the stream. */
const MAX_EVENT_BYTES = 4 * 1024 * 1024
const LF = 0x0a
const CR = 0x0d

/**
 * Passes an event stream on event by event (WHATWG HTML §9.2.5), each as `filter` returns it for the data in it; undefined
 * ends the stream. Events whose data stays the same, and comments, keep every byte.
 */
export function eventFilter(filter: (data: string) => string | undefined): StreamRewrite {
  let pending: Buffer[] = []
  let pendingBytes = 0
  let isLineEmpty = true
  let afterCr = false

  return (chunk) => {
    const ready: Buffer[] = []
    let from = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]
      const isSecondHalf = afterCr && byte === LF
      afterCr = byte === CR
      if (isSecondHalf) {
        // Of a blank line whose event has gone. Readers that wait for it have not seen that event yet.
        if (pending.length === 0 && from === at) ready.push(chunk.subarray(from, ++from))
        continue
      }
      const isLineEnd = byte === CR || byte === LF
      if (isLineEnd && isLineEmpty) {
        const event = Buffer.concat([...pending, chunk.subarray(from, at + 1)])
        const passed = filtered(event, filter)
        if (!passed) return Promise.reject(new WithheldEvent(Buffer.concat(ready)))
        ready.push(passed)
        pending = []
        pendingBytes = 0
        from = at + 1
      }
      isLineEmpty = isLineEnd
    }
    const rest = chunk.subarray(from)
    if (pending.length === 0 && isLineEmpty && isComment(rest)) ready.push(rest)
    else if (rest.length > 0) {
      pending.push(rest)
      pendingBytes += rest.length
      if (pendingBytes > MAX_EVENT_BYTES) return Promise.reject(new WithheldEvent(Buffer.concat(ready)))
    }
    return ready.length === 1 && ready[0] ? ready[0] : Buffer.concat(ready)
  }
}

/** Complete lines that clients ignore; servers send them to say that they are alive. */
function isComment(bytes: Buffer): boolean {
  return /^[\r\n]*(?::[^\r\n]*(?:\r\n|\r|\n))+$/.test(bytes.toString('latin1', 0, 1024)) && bytes.length <= 1024
}

function filtered(event: Buffer, filter: (data: string) => string | undefined): Buffer | undefined {
  const text = event.toString('utf8')
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\r|\n/)
  const data = lines.filter(isData).map((line) => line.replace(/^data(?:: ?)?/, ''))
  // What is no JSON holds no message: the address in an `endpoint` event, or the empty data that primes a stream.
  if (data.length === 0 || !/^\s*[[{]/.test(data.join('\n'))) return event
  const before = data.join('\n')
  const after = filter(before)
  if (after === undefined) return undefined
  if (after === before) return event
  const lineEnd = /\r\n|\r|\n/.exec(text.trimStart())?.[0] ?? '\n'
  const others = lines.filter((line) => line !== '' && !isData(line))
  const replaced = after.split('\n').map((line) => `data: ${line}`)
  // Of CRLF at the end the second half is still to come.
  const blankLine = text.endsWith('\r') ? '\r' : lineEnd
  return Buffer.from([...others, ...replaced, blankLine].join(lineEnd))
}

function isData(line: string): boolean {
  return line === 'data' || line.startsWith('data:')
}
