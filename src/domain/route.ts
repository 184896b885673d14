import type { CredentialRule } from './credential.ts'
import type { InjectedHeader } from './header-template.ts'
import type { AllowRule } from './policy.ts'
import type { MessageRules } from './tool-policy.ts'

/** Other authorization servers whose tokens a route takes instead of ours (RFC 9068). */
export interface ExternalAuthorization {
  readonly issuers: readonly string[]
  /** The one `aud` that a token must be for. */
  readonly audience: string
  /** Accepted `typ` values, lower case, without `application/`. */
  readonly tokenTypes: readonly string[]
  /** Claim that lists groups. */
  readonly groupsClaim: string
}

/** One protected MCP server: users sign in with us, or bring tokens of an authorization server that the route trusts. */
export type Route = RouteFacts &
  (
    | { readonly signIn: string; readonly authorization?: undefined }
    | { readonly signIn?: undefined; readonly authorization: ExternalAuthorization }
  )

/** A route whose users sign in with us; `signIn` names the provider. */
export type SignInRoute = Route & { readonly signIn: string }

/** Whether users of `route` sign in with us. */
export function hasSignIn(route: Route): route is SignInRoute {
  return route.signIn !== undefined
}

/** What every route has. */
interface RouteFacts {
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
  /** Absent: everybody who can sign in. */
  readonly allow?: AllowRule
  readonly credential: CredentialRule
  readonly inject: readonly InjectedHeader[]
  /** Every scope that can be granted here. */
  readonly scopes: readonly string[]
  /** Those that clients are told to ask for first. Absent: all. */
  readonly defaultScopes?: readonly string[]
  /** Absent: nobody looks at what is asked of the server. */
  readonly rules?: MessageRules
}

const RESOURCE = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]+)([^?#]*)$/

/**
 * The route that a `resource` parameter names (RFC 8707 §2), or undefined. Scheme and host compare without case, the
 * default port and one trailing slash are tolerated because real clients send them; everything else is compared
 * verbatim. With a single route its origin alone is understood too.
 */
export function findRouteByResource<R extends Route>(routes: readonly R[], resource: string): R | undefined {
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
