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
const TICK_MS = 500

interface Free {
  readonly connection: Connection
  /** The tick since which it is free, and the one at which it is given up. */
  readonly since: number
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
      free.push({ connection, since: tick, until: tick + Math.ceil(connection.idleMs / TICK_MS) })
      ticking ??= setInterval(onTick, TICK_MS).unref()
    },
    onGone(connection: Connection) {
      all.delete(connection)
      const index = free.findIndex((one) => one.connection === connection)
      if (index !== -1) free.splice(index, 1)
    },
  }

  function takeFree(): Free | undefined {
    for (let last = free.pop(); last; last = free.pop()) if (last.connection.isOpen) return last
    return undefined
  }

  function send(over: Free | undefined, head: string, request: UpstreamRequest, handler: RequestHandler): void {
    if (over) {
      over.connection.send(head, request, handler)
      return
    }
    let isOpening = true
    const opening = openConnection(origin, connectTimeoutMs, keeper, (opened) => {
      isOpening = false
      if (opened instanceof Error) handler.onError(opened)
      else opened.send(head, request, handler)
    })
    all.add(opening)
    handler.onConnecting?.(() => void (isOpening && opening.destroy()))
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
      const last = takeFree()
      if (!last || last.since === tick) send(last, head, request, handler)
      else afterNextPoll(() => send(last.connection.isOpen ? last : takeFree(), head, request, handler))
    },
    destroy() {
      for (const connection of all) connection.destroy()
      clearInterval(ticking)
      ticking = undefined
    },
  }
}

/**
 * Calls `then` when what has arrived by now has been dealt with. The server may have closed a connection that was free for
 * a while, without our having looked; a request that meets that is lost, and may not be sent again (P-33).
 */
function afterNextPoll(then: () => void): void {
  // The poll behind which the first is called may have begun before the end arrived; the next one has not.
  setImmediate(() => setImmediate(then))
}
