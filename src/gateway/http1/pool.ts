import { type Connection, framingOf, openConnection } from './connection.ts'
import type { RequestHandler, UpstreamRequest } from './request.ts'
import { requestHead } from './request-head.ts'
import { originOf } from './socket.ts'

/** Connections to one origin, as many as there are requests under way. */
export interface Pool {
  /** Sends the request over a free connection, or over a new one. */
  dispatch(request: UpstreamRequest, handler: RequestHandler): void
  /** Closes every connection; requests that are under way fail. */
  destroy(): void
}

/** Free connections beyond this are closed; a burst leaves no more behind. */
const MOST_FREE = 256
const SWEEP_MS = 1000

/**
 * A pool without a limit on connections, because each open event stream occupies one; what may be open is limited
 * elsewhere. The connection that was used last is used first, so that those which a burst left behind run out.
 */
export function createPool(url: URL, connectTimeoutMs: number): Pool {
  const origin = originOf(url)
  const all = new Set<Connection>()
  const free: Connection[] = []
  let sweeping: NodeJS.Timeout | undefined

  const keeper = {
    onFree(connection: Connection) {
      if (free.length >= MOST_FREE) return connection.destroy()
      free.push(connection)
      sweeping ??= setInterval(sweep, SWEEP_MS).unref()
    },
    onGone(connection: Connection) {
      all.delete(connection)
      const index = free.indexOf(connection)
      if (index !== -1) free.splice(index, 1)
    },
  }

  function takeFree(): Connection | undefined {
    const connection = free.pop()
    if (!connection || (connection.isOpen && connection.idleUntil > performance.now())) return connection
    connection.destroy()
    return takeFree()
  }

  function sweep(): void {
    const now = performance.now()
    for (const connection of [...free]) if (connection.idleUntil <= now) connection.destroy()
    if (free.length > 0) return
    clearInterval(sweeping)
    sweeping = undefined
  }

  return {
    dispatch(request, handler) {
      let head: string
      try {
        head = requestHead(request.method, request.path, origin.host, request.headers, framingOf(request))
      } catch (error) {
        return handler.onError(error as Error)
      }
      const connection = takeFree()
      if (connection) return connection.send(head, request, handler)
      const opening = openConnection(origin, connectTimeoutMs, keeper, (opened) => {
        if (opened instanceof Error) handler.onError(opened)
        else opened.send(head, request, handler)
      })
      all.add(opening)
    },
    destroy() {
      for (const connection of all) connection.destroy()
      clearInterval(sweeping)
      sweeping = undefined
    },
  }
}
