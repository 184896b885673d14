/** One exchange between its first byte to the MCP server and its last byte to the client. */
export interface OpenExchange {
  /** Opaque; whoever forwards says whose exchange it is, such as a grant. */
  readonly owner: string | undefined
  /** Ends an endless event stream at the next boundary between events; lets everything else finish. */
  wind(): void
  /** Ends it now: cleanly between two events, otherwise by breaking off the client's connection. */
  cut(): void
}

/** The exchanges that are open, so that a shutdown or a revocation can end them. */
export interface OpenExchanges {
  readonly size: number
  add(exchange: OpenExchange): void
  remove(exchange: OpenExchange): void
  /** Resolves when nothing is open any more, after `limitMs` at the latest; what is still open then is cut (P-70). */
  drain(limitMs: number): Promise<void>
  /** Cuts every exchange whose owner matches (P-71); returns how many. */
  end(matches: (owner: string) => boolean): number
}

export function openExchanges(): OpenExchanges {
  const open = new Set<OpenExchange>()
  let draining = false
  let whenEmpty: (() => void) | undefined
  const cutAll = (matches: (exchange: OpenExchange) => boolean) => {
    const chosen = [...open].filter(matches)
    for (const exchange of chosen) exchange.cut()
    return chosen.length
  }
  return {
    get size() {
      return open.size
    },
    add(exchange) {
      open.add(exchange)
      if (draining) exchange.wind()
    },
    remove(exchange) {
      open.delete(exchange)
      if (open.size === 0) whenEmpty?.()
    },
    async drain(limitMs) {
      draining = true
      for (const exchange of [...open]) exchange.wind()
      if (open.size === 0) return
      const empty = new Promise<void>((resolve) => {
        whenEmpty = resolve
      })
      const limit = setTimeout(() => cutAll(() => true), limitMs)
      await empty
      clearTimeout(limit)
    },
    end: (matches) => cutAll((exchange) => exchange.owner !== undefined && matches(exchange.owner)),
  }
}
