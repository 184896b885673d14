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
/** How exactly idle connections are timed. Reading a clock for each request would cost more than finding a connection. */
const TICK_MS = 1000

interface Free {
  readonly connection: Connection
  /** The tick at which it is given up. */
  readonly until: number
}

/**
 * A pool without a limit on connections, because each open event stream occupies one; what may be open is limited
 * elsewhere. The connection that was used last is used first, so that those which a burst left behind run out.
 */
export function createPool(url: URL, connectTimeoutMs: number): Pool {
  const origin = originOf(url)
  const all = new Set<Connection>()
  let free: Free[] = []
  let tick = 0
  let ticking: NodeJS.Timeout | undefined

  const keeper = {
    onFree(connection: Connection) {
      if (free.length >= MOST_FREE || connection.idleMs === 0) return connection.destroy()
      free.push({ connection, until: tick + Math.ceil(connection.idleMs / TICK_MS) })
      ticking ??= setInterval(onTick, TICK_MS).unref()
    },
    onGone(connection: Connection) {
      all.delete(connection)
      const index = free.findIndex((one) => one.connection === connection)
      if (index !== -1) free.splice(index, 1)
    },
  }

  function takeFree(): Connection | undefined {
    for (let last = free.pop(); last; last = free.pop()) if (last.connection.isOpen) return last.connection
    return undefined
  }

  function onTick(): void {
    tick += 1
    const over = free.filter(({ until }) => until <= tick)
    free = free.filter(({ until }) => until > tick)
    for (const { connection } of over) connection.destroy()
    if (free.length > 0) return
    clearInterval(ticking)
    ticking = undefined
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
      clearInterval(ticking)
      ticking = undefined
    },
  }
}
