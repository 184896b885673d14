/** Takes the pieces of an event stream, and gives back what the client is to get of them; rejects when it must get none. */
export type StreamRewrite = (chunk: Buffer) => Buffer | Promise<Buffer>

/** `first` and then `second` on what it gives back; either may be absent. */
export function bothRewrites(
  first: StreamRewrite | undefined,
  second: StreamRewrite | undefined,
): StreamRewrite | undefined {
  if (!first || !second) return first ?? second
  return (chunk) => {
    const rewritten = first(chunk)
    return rewritten instanceof Promise ? rewritten.then(second) : second(rewritten)
  }
}

/** Thrown when a stream of the old transport does not announce an endpoint that a client could be sent to. */
export class UnusableEndpoint extends Error {
  override readonly name = 'UnusableEndpoint'
}

/**
 * Replaces the URI in the first `endpoint` event of a stream (MCP 2024-11-05, HTTP with SSE) by what `announce` makes of
 * it. Every other byte passes as it came (P-104); what precedes that event is passed on event by event.
 */
export function endpointRewrite(announce: (uri: string) => Promise<string>): StreamRewrite {
  // Latin-1 keeps every byte as it is. Undefined once the event has passed.
  let pending: string | undefined = ''
  return (chunk) => {
    if (pending === undefined) return chunk
    const text: string = pending + chunk.toString('latin1')
    let passed = 0
    for (let end = endOfEvent(text, 0); end !== undefined; end = endOfEvent(text, end)) {
      const event = text.slice(passed, end)
      if (isEndpoint(event)) {
        pending = undefined
        return rewritten(text, passed, event, announce)
      }
      passed = end
    }
    pending = text.slice(passed)
    if (pending.length > MAX_EVENT_LENGTH) return Promise.reject(new UnusableEndpoint())
    return Buffer.from(text.slice(0, passed), 'latin1')
  }
}

/** An event that announces an endpoint is a line or two. */
const MAX_EVENT_LENGTH = 64 * 1024
/** A blank line behind another line end: CRLF, LF or CR (WHATWG HTML §9.2.5). */
const BLANK_LINE = /(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)/g
const IS_ENDPOINT = /(?:^(?:\xef\xbb\xbf)?|[\r\n])event: ?endpoint[\r\n]/
const DATA = /(?:^(?:\xef\xbb\xbf)?|[\r\n])data: ?([^\r\n]*)/dg

function endOfEvent(text: string, from: number): number | undefined {
  BLANK_LINE.lastIndex = from
  return BLANK_LINE.test(text) ? BLANK_LINE.lastIndex : undefined
}

function isEndpoint(event: string): boolean {
  return IS_ENDPOINT.test(event)
}

async function rewritten(
  text: string,
  at: number,
  event: string,
  announce: (uri: string) => Promise<string>,
): Promise<Buffer> {
  const [data, more] = [...event.matchAll(DATA)]
  const place = data?.indices?.[1]
  if (!place || more) throw new UnusableEndpoint()
  const [start, end] = place
  const uri = await announce(event.slice(start, end))
  return Buffer.from(text.slice(0, at + start) + uri + text.slice(at + end), 'latin1')
}
