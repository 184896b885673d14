import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** What a connection's request was refused for before it became a request, as Node's parser says it. */
interface ConnectionError extends Error {
  readonly code?: string
}

interface Refused {
  /** Status code and reason phrase. */
  readonly status: '400 Bad Request' | '408 Request Timeout' | '431 Request Header Fields Too Large'
  readonly problem: string
}

const MALFORMED: Refused = { status: '400 Bad Request', problem: 'the request is not well-formed HTTP/1.1' }
const REFUSED: Readonly<Record<string, Refused>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: '408 Request Timeout', problem: 'the request did not arrive in time' },
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    problem: 'address and header lines are too large',
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: '400 Bad Request', problem: 'the extensions of a chunk are too large' },
}

/**
 * Answers what never became a request with JSON in the form of every other refusal, and closes the connection. When an
 * answer has begun on it, nothing more is written: it would be read as a part of that answer. Returns the status that was
 * answered; undefined where nobody is left to read one.
 */
export function answerConnectionError(error: ConnectionError, socket: Socket): number | undefined {
  if (error.code === 'ECONNRESET' || socket.destroyed) return undefined
  const refused = REFUSED[error.code ?? ''] ?? MALFORMED
  const canAnswer = socket.writable && !answerBegan(socket)
  if (canAnswer) socket.write(answerOf(refused))
  socket.destroy(error)
  return canAnswer ? Number.parseInt(refused.status, 10) : undefined
}

/** Where Node's own handler looks, too: there is no public way to the answer of a connection. */
function answerBegan(socket: Socket & { readonly _httpMessage?: ServerResponse | null }): boolean {
  return socket._httpMessage?.headersSent === true
}

function answerOf({ status, problem }: Refused): string {
  const body = JSON.stringify({ error: 'invalid_request', error_description: problem })
  const lines = [
    `HTTP/1.1 ${status}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${body.length}`,
    'cache-control: no-store',
    'connection: close',
  ]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}
