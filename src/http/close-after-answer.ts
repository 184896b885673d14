import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** For so long a client may go on sending what nobody needs any more. */
const LINGER_MS = 5000

/**
 * Ends the connection with this answer: what is still to come of its request must never be read as the next one (B235). It
 * is read over meanwhile, for kernels that close a connection with unread bytes take back what they have not delivered
 * yet, and clients lose the end of their answer (RFC 9112 §9.6).
 */
export function closeAfterAnswer(response: ServerResponse): void {
  response.shouldKeepAlive = false
  // What Node calls when the last answer of a connection has been handed over.
  response.req.socket.destroySoon = closeWhenRead
}

function closeWhenRead(this: Socket): void {
  this.resume().end()
  // Not before: a listener of Node's, which this takes away, goes on with reading, and it hears of it in the next tick.
  process.nextTick(readOver, this)
  const limit = setTimeout(() => this.destroy(), LINGER_MS).unref()
  this.once('close', () => clearTimeout(limit))
}

/** Away from Node's parser. */
function readOver(socket: Socket): void {
  socket.removeAllListeners('data').on('data', ignore)
}

function ignore(): void {}
