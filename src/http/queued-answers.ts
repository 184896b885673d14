import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Answers that wait for their turn, by the connection that they are to leave over. */
const queued = new WeakMap<Socket, Set<ServerResponse>>()

/**
 * Lets an answer that waits behind another one on its connection (RFC 9112 §9.3.2) close together with that connection. Older
 * versions of Node never tell it, Node 22 among them, and whoever works for it would go on for nobody (P-65).
 */
export function closeWithConnection(response: ServerResponse): void {
  const { socket } = response.req
  const answers = queued.get(socket) ?? watch(socket)
  answers.add(response)
  response.once('close', () => answers.delete(response))
}

/**
 * For a request whose body nobody reads any more. Node reads it over when its answer has gone; behind another one that can
 * take hours, and a connection that is not read does not tell that its client has left (B253).
 */
export function forgoBody(response: ServerResponse): void {
  if (!response.socket) response.req.resume()
}

/** One listener, however many requests a client sends at once. */
function watch(socket: Socket): Set<ServerResponse> {
  const answers = new Set<ServerResponse>()
  queued.set(socket, answers)
  socket.once('close', () => {
    for (const response of answers) {
      if (response.socket || response.destroyed) continue
      response.destroyed = true
      response.emit('close')
    }
  })
  return answers
}
