import type { IncomingMessage, ServerResponse } from 'node:http'
import { type AnswerHead, type ResponseWriter, responseWriter } from './response-writer.ts'

/** A writer that may turn out to have nothing that the client is to get. */
export interface WithholdingWriter extends ResponseWriter {
  /** Whether the answer must not be passed on; then nothing was written. */
  readonly isWithheld: boolean
}

/** Far more than any list of tools. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024

/**
 * Collects an answer, and writes what `whole` makes of it once it is complete; nothing when that is undefined or when the
 * answer exceeds 4 MiB.
 */
export function withholdingWriter(
  request: IncomingMessage,
  response: ServerResponse,
  head: AnswerHead,
  whole: (body: Buffer) => Buffer | undefined,
): WithholdingWriter {
  const chunks: Buffer[] = []
  const writer = {
    bytes: 0,
    isWithheld: false,
    isEventStream: false,
    begun: () => response.headersSent,
    write(chunk: Buffer) {
      writer.bytes += chunk.length
      if (writer.bytes > MAX_ANSWER_BYTES) writer.isWithheld = true
      else chunks.push(chunk)
      return 'kept' as const
    },
    end() {
      const body = whole(Buffer.concat(chunks))
      writer.isWithheld = body === undefined
      if (body === undefined) return
      const { etag: _, ...headers } = head.headers
      const framed = { ...headers, 'content-length': String(body.length) }
      const onward = responseWriter(request, response, { ...head, headers: framed })
      onward.write(body)
      onward.end()
      writer.bytes = body.length
    },
    breakOff: () => response.destroy(),
    atEventBoundary: () => false,
  }
  return writer
}
