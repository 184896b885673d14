/** One exchange between its first byte to the MCP server and its last byte to the client. */
export interface OpenExchange {
  /** Opaque; whoever forwards says whose exchange it is, such as a grant. */
  readonly owner: string | undefined
  /** Opaque and narrower: the access token that it came with. */
  readonly token: string | undefined
  /** Where it stands among those that are open; theirs to change. */
  place: number
  /** Ends an endless event stream at the next boundary between events; lets everything else finish. */
  wind(): void
  /** Ends it now: cleanly between two events, otherwise by breaking off the client's connection. */
  cut(): void
}

/** The exchanges that are open, so that a shutdown or a revocation can end them. */
export interface OpenExchanges {
  readonly size: number
  add(exchange: OpenExchange): void
  /** Only for one that is open. */
  remove(exchange: OpenExchange): void
  /** Resolves when nothing is open any more, after `limitMs` at the latest; what is still open then is cut (P-70). */
  drain(limitMs: number): Promise<void>
  /** Cuts every exchange whose owner, or token, matches (P-71); returns how many. */
  end(matches: (owner: string, token: string | undefined) => boolean): number
}

/**
 * A list in which each knows its place, because a Set grows by leaving its old table behind: those tables hold on to one
 * another, and to what was open then, until the whole heap is collected. That was a fifth of all that calls allocated.
 */
export function openExchanges(): OpenExchanges {
  const open: OpenExchange[] = []
  let draining = false
  let whenEmpty: (() => void) | undefined
  const cutAll = (matches: (exchange: OpenExchange) => boolean) => {
    const chosen = open.filter(matches)
    for (const exchange of chosen) exchange.cut()
    return chosen.length
  }
  return {
    get size() {
      return open.length
    },
    add(exchange) {
      exchange.place = open.push(exchange) - 1
      if (draining) exchange.wind()
    },
    remove(exchange) {
      const last = open.pop()
      if (last && last !== exchange) {
        open[exchange.place] = last
        last.place = exchange.place
      }
      if (open.length === 0) whenEmpty?.()
    },
    async drain(limitMs) {
      draining = true
      for (const exchange of [...open]) exchange.wind()
      if (open.length === 0) return
      const empty = new Promise<void>((resolve) => {
        whenEmpty = resolve
      })
      const limit = setTimeout(() => cutAll(() => true), limitMs)
      await empty
      clearTimeout(limit)
    },
    end: (matches) => cutAll((exchange) => exchange.owner !== undefined && matches(exchange.owner, exchange.token)),
  }
}

/**
 * Winds `exchange` up `graceMs` after `endsAt` (ms since 1970), so that its client comes back with a fresh token, and cuts
 * it after as long again if it never came between two events (P-71). Returns the way to stop.
 */
export function endAt(exchange: OpenExchange, endsAt: number, graceMs: number): () => void {
  let timer: NodeJS.Timeout
  function arm(): void {
    const left = Math.max(0, endsAt - Date.now()) + graceMs
    timer = left > LONGEST_TIMER_MS ? setTimeout(arm, LONGEST_TIMER_MS) : setTimeout(wind, left)
  }
  function wind(): void {
    timer = setTimeout(exchange.cut, graceMs)
    exchange.wind()
  }
  arm()
  return () => clearTimeout(timer)
}

/** Node fires timers that are set for longer than this at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1
