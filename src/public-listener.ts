import { randomUUID } from 'node:crypto'
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify'
import type { Logger } from 'pino'
import type { GatewayConfig } from './config/gateway-config.ts'
import { oauthFailure } from './domain/errors.ts'
import { noteArrivals } from './http/arrival.ts'
import { closeAfterAnswer } from './http/close-after-answer.ts'
import { answerConnectionError } from './http/connection-errors.ts'
import { replyNotFound, replyOAuthError, replyRouteRefusal } from './http/error-reply.ts'
import { continueWhenRead } from './http/expectations.ts'
import { withLateChildren } from './http/late-logger.ts'
import { closeWithConnection, forgoBody } from './http/queued-answers.ts'
import { acceptRateLimits } from './http/rate-limit.ts'
import { acceptedHosts, guardRequest } from './http/request-guard.ts'
import { WITHOUT_SCHEMAS } from './http/without-schemas.ts'
import type { Metrics } from './metrics.ts'
import { showProblem } from './oauth/answer.ts'
import { traceRequests } from './request-spans.ts'
import { StoreUnavailable } from './storage/store.ts'
import type { Tracing } from './tracing.ts'

/** Larger than any registration request; token requests and forms have the same bound. */
const BODY_LIMIT_BYTES = 64 * 1024
/** A client that needs longer for its header lines is holding a connection, not sending a request. */
const HEADERS_TIMEOUT_MS = 10_000
/** For the whole request, its body included; answers and streams have no such limit. */
const REQUEST_TIMEOUT_MS = 60_000
const KEEP_ALIVE_MS = 72_000

/**
 * The listener where clients and browsers come in, without any endpoint yet: what holds for every request (guard,
 * request id, log line) and the form of every unforeseen error, in the words of whoever reads it.
 */
export async function createPublicListener(
  config: GatewayConfig,
  logger: Logger,
  metrics: Pick<Metrics, 'refusals'>,
  tracing?: Tracing,
): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: withLateChildren(logger),
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    trustProxy: config.trustedProxies.length > 0 ? [...config.trustedProxies] : false,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    schemaController: WITHOUT_SCHEMAS,
    routerOptions: { ignoreTrailingSlash: false, caseSensitive: true },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    http: { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: 5000, insecureHTTPParser: false },
    clientErrorHandler(error, socket) {
      const status = answerConnectionError(error, socket)
      if (status !== undefined) metrics.refusals.inc({ endpoint: '(unknown)', status })
    },
    frameworkErrors: (error, request, reply) => fault(error, request, reply),
  }) as unknown as FastifyInstance
  const hosts = acceptedHosts(config.publicUrl)
  const isHttps = config.publicUrl.startsWith('https:')

  function counted(request: FastifyRequest, status: number): void {
    // The pattern, as below: what was asked for would let anybody add labels.
    metrics.refusals.inc({ endpoint: request.routeOptions?.url ?? '(unknown)', status })
  }
  function fault(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const status = faultStatus(error)
    counted(request, status)
    if (status === 413) closeAfterAnswer(reply.raw)
    forgoBody(reply.raw)
    return answerFault(error, request, reply)
  }

  if (tracing) traceRequests(app, tracing)
  noteArrivals(app, Date.now)
  continueWhenRead(app.server)
  // Hooks of every request are plain callbacks: a promise for each would cost more than what they do.
  app.addHook('onRequest', (request, reply, done) => {
    if (!reply.raw.socket) closeWithConnection(reply.raw)
    reply.header('x-request-id', request.id)
    if (isHttps) reply.header('strict-transport-security', 'max-age=31536000')
    const refused = guardRequest(request.raw, hosts)
    if (!refused) return done()
    counted(request, refused.status)
    request.log.info({ status: refused.status, problem: refused.problem }, 'refused')
    closeAfterAnswer(reply.raw)
    forgoBody(reply.raw)
    reply
      .code(refused.status)
      .header('cache-control', 'no-store')
      .send({ error: 'invalid_request', error_description: refused.problem })
  })
  app.addHook('onResponse', (request, reply, done) => {
    done()
    if (request.routeOptions.config.audience === 'mcp') return
    // The query is never logged: it can hold codes and states.
    const line = {
      method: request.method,
      // The pattern, not what was asked for: people paste secrets into addresses.
      path: request.routeOptions.url ?? '(unknown)',
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
    }
    request.log.info(line, 'request')
  })
  app.setNotFoundHandler((request, reply) => {
    // Web clients probe several well-known paths; without this they could not tell 404 from a broken connection.
    if (request.url.startsWith('/.well-known/')) reply.header('access-control-allow-origin', '*')
    return replyNotFound(reply)
  })
  app.setErrorHandler<FastifyError>(fault)
  await acceptRateLimits(app)
  return app
}

/** An error that no endpoint foresaw. What the client did wrong is 4xx; an outage is 503; the cause goes to the log alone. */
function answerFault(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const status = faultStatus(error)
  if (status >= 500) request.log.error({ err: error }, 'request failed')
  else request.log.info({ status, reason: error.code }, 'refused')
  const outage = status === 503
  switch (request.routeOptions?.config?.audience) {
    case 'person':
      return showProblem(
        request,
        reply,
        status,
        status === 429 ? TOO_OFTEN_PAGE : outage ? OUTAGE_PAGE : status < 500 ? UNREADABLE_PAGE : FAULT_PAGE,
      )
    case 'mcp':
      return replyRouteRefusal(reply, {
        status: outage ? 503 : status < 500 ? 400 : 500,
        message: outage ? 'the gateway cannot look up access right now' : 'the gateway failed',
      })
    default:
      if (status === 429) return replyOAuthError(reply, TOO_OFTEN, 429)
      if (outage) return replyOAuthError(reply, oauthFailure('temporarily_unavailable', 'try again in a few seconds'))
      if (status >= 500) return replyOAuthError(reply, oauthFailure('server_error', 'the gateway failed'))
      return replyOAuthError(reply, oauthFailure('invalid_request', 'the request could not be read'), status)
  }
}

function faultStatus(error: FastifyError): number {
  if (error instanceof StoreUnavailable) return 503
  const status = error.statusCode ?? 500
  return status >= 400 && status < 500 ? status : status === 503 ? 503 : 500
}

const TOO_OFTEN = oauthFailure('temporarily_unavailable', 'too many requests from this address')

const TOO_OFTEN_PAGE = {
  title: 'Too many requests',
  what: 'Very many requests came from your network address within a minute.',
  next: 'Wait a minute, then reload this page.',
}

const OUTAGE_PAGE = {
  title: 'Please try again in a moment',
  what: 'The gateway cannot reach its database right now. Nothing was lost.',
  next: 'Reload this page, or start again from the application.',
}

const UNREADABLE_PAGE = {
  title: 'This request could not be read',
  what: 'Something in it is not well-formed or too large.',
  next: 'Start again from the application.',
}

const FAULT_PAGE = {
  title: 'Something went wrong here',
  what: 'The gateway failed to answer. Its log says why, under the request id below.',
  next: 'Try again; if it happens once more, tell the administrator the request id.',
}
