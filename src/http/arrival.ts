import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * When the client had begun this request at the latest, ms since 1970: when its connection was accepted, for the
     * first request on it, and otherwise when its header lines had been read. It tells a request that was under way from
     * one that answers to what happened meanwhile.
     */
    arrivedAt: number
  }
}

/** Notes for every request of `app` when it arrived. */
export function noteArrivals(app: FastifyInstance, now: () => number): void {
  const accepted = new WeakMap<Socket, number>()
  app.server.on('connection', (socket: Socket) => accepted.set(socket, now()))
  app.decorateRequest('arrivedAt', 0)
  app.addHook('onRequest', (request, _reply, done) => {
    const { socket } = request.raw
    request.arrivedAt = accepted.get(socket) ?? now()
    accepted.delete(socket)
    done()
  })
}
