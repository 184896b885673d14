import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods, RouteHandlerMethod } from 'fastify'
import type { RateLimit } from './rate-limit.ts'

/** Who reads the answers of an endpoint, and so in which form its errors are. */
export type Audience = 'client' | 'person' | 'mcp'

declare module 'fastify' {
  interface FastifyContextConfig {
    audience?: Audience
  }
}

/** One path with everything it answers to. */
export interface Endpoint {
  readonly path: string
  readonly audience: Audience
  readonly handlers: Partial<Record<'GET' | 'POST' | 'PUT' | 'DELETE', RouteHandlerMethod>>
  /** The budget that its requests count against; preflights do not. */
  readonly limit?: RateLimit
  /** Readable by any web page (CORS `*`, no credentials); for metadata and the endpoints that clients post to. */
  readonly crossOrigin?: true
}

const ALL_METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/**
 * Mounts an endpoint: its own methods, HEAD where GET changes nothing, a preflight where web pages may call it, and 405
 * with `Allow` for every other method (RFC 9110 §15.5.6).
 */
export function mountEndpoint(scope: FastifyInstance, endpoint: Endpoint): void {
  const { path, audience } = endpoint
  const own = Object.keys(endpoint.handlers) as (keyof typeof endpoint.handlers)[]
  const config = { audience }
  const cors = endpoint.crossOrigin ? [allowAnyOrigin] : []
  const onRequest = endpoint.limit === undefined ? cors : [...cors, endpoint.limit]
  for (const method of own) {
    const handler = endpoint.handlers[method]
    const isSafe = method === 'GET' && audience === 'client'
    if (handler)
      scope.route({
        url: path,
        method: isSafe ? ['GET', 'HEAD'] : method,
        config,
        handler,
        exposeHeadRoute: false,
        onRequest,
      })
  }
  const answered = new Set<HTTPMethods>(own)
  if (own.includes('GET') && audience === 'client') answered.add('HEAD')
  if (endpoint.crossOrigin) {
    answered.add('OPTIONS')
    const handler: RouteHandlerMethod = (_request, reply) => preflight(reply, own)
    scope.route({ url: path, method: 'OPTIONS', config, handler, onRequest: cors })
  }
  const allow = [...answered].join(', ')
  scope.route({
    url: path,
    method: ALL_METHODS.filter((method) => !answered.has(method)),
    config,
    exposeHeadRoute: false,
    ...(endpoint.limit === undefined ? {} : { onRequest: endpoint.limit }),
    handler: (_request, reply) =>
      reply
        .code(405)
        .headers({ allow, 'cache-control': 'no-store' })
        .send({ error: 'invalid_request', error_description: `use ${allow}` }),
  })
}

async function allowAnyOrigin(_request: FastifyRequest, reply: FastifyReply): Promise<void> {
  reply
    .header('access-control-allow-origin', '*')
    .header('access-control-expose-headers', 'WWW-Authenticate, Retry-After')
}

function preflight(reply: FastifyReply, methods: readonly string[]): FastifyReply {
  return reply
    .code(204)
    .headers({
      'access-control-allow-methods': methods.join(', '),
      'access-control-allow-headers': 'Authorization, Content-Type, Accept, MCP-Protocol-Version',
      'access-control-max-age': '600',
    })
    .send()
}
