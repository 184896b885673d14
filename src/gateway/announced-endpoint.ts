import type { Grant } from '../domain/grant.ts'
import type { Route } from '../domain/route.ts'
import { rawQuery } from '../http/query.ts'
import { CannotOpen } from '../vault.ts'
import { endpointRewrite, type StreamRewrite, UnusableEndpoint } from './endpoint-event.ts'
import type { Gateway } from './gateway.ts'

/**
 * The endpoints that a server of the old transport announces on its streams (MCP 2024-11-05, HTTP with SSE). A client
 * gets an address below the route instead, with the server's own sealed into it for the route and the grant: it tells
 * nothing, opens for no other grant (P-102), and needs no memory, so any replica and any later process understands it.
 */
export interface AnnouncedEndpoints {
  /** Rewrites the announcement on one stream of this grant; rejects one that leads to a foreign origin (P-101). */
  rewrite(grant: Grant): StreamRewrite
  /** Where a message for `requestTarget` goes, or undefined when nothing was announced there to this grant. */
  open(requestTarget: string, grant: Grant): Promise<URL | undefined>
}

/** The path below a route where its clients post their messages. */
export const MESSAGES = '/messages'

const PARAMETER = /^endpoint=([A-Za-z0-9._-]{1,4096})$/

export function createAnnouncedEndpoints(gateway: Gateway, route: Route): AnnouncedEndpoints {
  const context = (grant: Grant) => ({ purpose: 'sse-endpoint', owner: [route.path, grant.id] }) as const
  return {
    rewrite: (grant) =>
      endpointRewrite(async (uri) => {
        const target = URL.parse(uri, route.upstream.href)
        if (target?.origin !== route.upstream.origin) {
          gateway.logger.error({ route: route.path }, 'the MCP server announced an endpoint of a foreign origin')
          throw new UnusableEndpoint()
        }
        const sealed = await gateway.vault.seal(target.pathname + target.search, context(grant))
        return `${route.path}${MESSAGES}?endpoint=${sealed}`
      }),
    async open(requestTarget, grant) {
      const sealed = PARAMETER.exec(rawQuery(requestTarget))?.[1]
      if (sealed === undefined) return undefined
      try {
        return new URL(route.upstream.origin + (await gateway.vault.open(sealed, context(grant))))
      } catch (error) {
        if (error instanceof CannotOpen) return undefined
        throw error
      }
    },
  }
}
