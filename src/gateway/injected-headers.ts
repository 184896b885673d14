import { renderHeader, type TemplateVariable } from '../domain/header-template.ts'
import type { Identity } from '../domain/identity.ts'
import type { Route } from '../domain/route.ts'

/**
 * The headers that the route adds towards its MCP server, or undefined when one of them cannot be filled: then the
 * request must not be forwarded, because the server would see it as somebody else's or nobody's.
 */
export function injectedHeaders(
  route: Route,
  identity: Identity,
  credential: string | undefined,
): Record<string, string> | undefined {
  const values: Partial<Record<TemplateVariable, string>> = {
    'user.sub': identity.subject,
    ...(identity.email === undefined ? {} : { 'user.email': identity.email }),
    ...(credential === undefined ? {} : { credential }),
  }
  const headers: Record<string, string> = {}
  for (const { name, template } of route.inject) {
    const value = renderHeader(template, values)
    if (value === undefined) return undefined
    headers[name] = value
  }
  return headers
}
