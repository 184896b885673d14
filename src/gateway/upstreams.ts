import { createPool, type Pool } from './http1/pool.ts'

/** Where a route's requests go. */
export interface Upstream {
  readonly url: URL
  readonly pool: Pool
  /** Path of the MCP endpoint; a trailing slash may be learned or unlearned (P-09). */
  path: string
}

export interface Upstreams {
  of(url: URL): Upstream
  close(): void
}

/**
 * Connections to MCP servers: one pool per origin, so that a dead server holds up no other (C38), without a limit on
 * connections, because each open event stream occupies one. TLS is verified.
 */
export function createUpstreams(connectTimeoutMs: number): Upstreams {
  const pools = new Map<string, Pool>()
  const known = new WeakMap<URL, Upstream>()
  const poolOf = (url: URL) => {
    let pool = pools.get(url.origin)
    if (!pool) {
      pool = createPool(url, connectTimeoutMs)
      pools.set(url.origin, pool)
    }
    return pool
  }
  return {
    of(url) {
      let upstream = known.get(url)
      if (!upstream) {
        upstream = { url, pool: poolOf(url), path: url.pathname }
        known.set(url, upstream)
      }
      return upstream
    },
    close() {
      for (const pool of pools.values()) pool.destroy()
    },
  }
}

/**
 * The path that a redirect of `upstream` means if it does nothing but add or take a trailing slash on the same authority,
 * as Starlette's mounts do (P-09); undefined for every other redirect. Its scheme does not count, because servers behind
 * something that ends TLS do not know theirs; the path alone is taken, so nothing goes to another origin (P-07).
 */
export function slashRedirect(upstream: Upstream, status: number, location: string | undefined): string | undefined {
  if ((status !== 307 && status !== 308) || location === undefined) return undefined
  const target = URL.parse(location, new URL(upstream.path, upstream.url).href)
  if (target?.host !== upstream.url.host || target.pathname === upstream.path) return undefined
  return withoutSlash(target.pathname) === withoutSlash(upstream.path) ? target.pathname : undefined
}

/** Where a `location` of `upstream` leads, without what may be secret in it: it goes to the log (P-24). */
export function redirectTarget(upstream: Upstream, location: string | string[] | undefined): string | undefined {
  const target = URL.parse(String(location), new URL(upstream.path, upstream.url).href)
  if (location === undefined || !target) return undefined
  return `${target.protocol}//${target.host}${target.pathname}`
}

function withoutSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}
