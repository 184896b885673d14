import type { CredentialRule } from './credential.ts'
import type { InjectedHeader } from './header-template.ts'
import type { AllowRule } from './policy.ts'

/** One protected MCP server. */
export interface Route {
  /** Public path, such as `/github`; no trailing slash. */
  readonly path: string
  /** `public_url` + path: the RFC 8707 resource and the `resource` of its metadata (RFC 9728 §1.2). */
  readonly resource: string
  /** Shown to people and as `resource_name`. */
  readonly title: string
  readonly upstream: URL
  /** `sse`: the upstream is the stream endpoint of the transport of 2024-11-05. Absent: streamable HTTP, any revision. */
  readonly transport?: 'sse'
  /** After so many ms of silence an event stream gets a comment. Absent: nothing is ever added to a stream. */
  readonly keepAliveMs?: number
  /** Name of the provider where users sign in. */
  readonly signIn: string
  /** Absent: everybody who can sign in. */
  readonly allow?: AllowRule
  readonly credential: CredentialRule
  readonly inject: readonly InjectedHeader[]
  readonly scopes: readonly string[]
}

const RESOURCE = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]+)([^?#]*)$/

/**
 * The route that a `resource` parameter names (RFC 8707 §2), or undefined. Scheme and host compare without case, the
 * default port and one trailing slash are tolerated because real clients send them; everything else is compared
 * verbatim. With a single route its origin alone is understood too.
 */
export function findRouteByResource(routes: readonly Route[], resource: string): Route | undefined {
  const wanted = normalizeResource(resource)
  if (wanted === undefined) return undefined
  const exact = routes.find((route) => normalizeResource(route.resource) === wanted)
  if (exact) return exact
  const only = routes.length === 1 ? routes[0] : undefined
  return only && new URL(only.resource).origin === wanted ? only : undefined
}

function normalizeResource(resource: string): string | undefined {
  const match = RESOURCE.exec(resource)
  if (!match) return undefined
  const [, scheme = '', authority = '', path = ''] = match
  const defaultPort = scheme.toLowerCase() === 'https' ? ':443' : ':80'
  const host = authority.toLowerCase()
  const bareHost = host.endsWith(defaultPort) ? host.slice(0, -defaultPort.length) : host
  return `${scheme.toLowerCase()}://${bareHost}${path.endsWith('/') ? path.slice(0, -1) : path}`
}
