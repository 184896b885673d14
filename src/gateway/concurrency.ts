/** How many requests and streams are open at once: a server that hangs, or one busy client, holds up nobody else (C38). */
export interface Concurrency {
  /** Counts one more that keeps `bodyBytes` in memory, or says which limit it would exceed; then nothing is counted. */
  enter(routePath: string, grantId: string, bodyBytes: number): 'entered' | Busy
  /** The body of one that is open turned out to have `bytes`, no more than the `before` that were counted for it. */
  resize(grantId: string, before: number, bytes: number): void
  /** Gives back what is counted. */
  leave(routePath: string, grantId: string, bodyBytes: number): void
}

/** Which limit is reached. */
export type Busy = 'grant_busy' | 'route_busy' | 'gateway_busy'

export interface ConcurrencyLimits {
  /** On all routes together. */
  readonly concurrent: number
  readonly concurrentPerGrant: number
  readonly concurrentPerRoute: number
  /** Of bodies that are kept as a whole, on all routes together; one grant may keep three quarters of it. */
  readonly bodyBytesAtOnce: number
}

/** Counters that hold nothing but what is open now. */
export function createConcurrency(limits: ConcurrencyLimits): Concurrency {
  const ofRoute = new Map<string, number>()
  const ofGrant = new Map<string, number>()
  const keptOfGrant = new Map<string, number>()
  let open = 0
  let kept = 0

  function keep(grantId: string, bytes: number): void {
    if (bytes === 0) return
    kept += bytes
    add(keptOfGrant, grantId, bytes)
  }

  /** Whoever announced all of it would shut out everybody else (C38). */
  function exceedsItsShare(grantId: string, bytes: number): boolean {
    return bytes > 0 && (keptOfGrant.get(grantId) ?? 0) + bytes > limits.bodyBytesAtOnce * 0.75
  }

  return {
    enter(routePath, grantId, bodyBytes) {
      const onRoute = ofRoute.get(routePath) ?? 0
      const underGrant = ofGrant.get(grantId) ?? 0
      if (open >= limits.concurrent || (bodyBytes > 0 && kept + bodyBytes > limits.bodyBytesAtOnce))
        return 'gateway_busy'
      if (onRoute >= limits.concurrentPerRoute) return 'route_busy'
      if (underGrant >= limits.concurrentPerGrant || exceedsItsShare(grantId, bodyBytes)) return 'grant_busy'
      open += 1
      keep(grantId, bodyBytes)
      ofRoute.set(routePath, onRoute + 1)
      ofGrant.set(grantId, underGrant + 1)
      return 'entered'
    },
    resize: (grantId, before, bytes) => keep(grantId, bytes - before),
    leave(routePath, grantId, bodyBytes) {
      open -= 1
      keep(grantId, -bodyBytes)
      add(ofRoute, routePath, -1)
      add(ofGrant, grantId, -1)
    },
  }
}

function add(counts: Map<string, number>, key: string, more: number): void {
  const count = (counts.get(key) ?? 0) + more
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}
