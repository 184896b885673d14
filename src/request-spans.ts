import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Span, Tracing } from './tracing.ts'

/** Gives every request on `app` a span until its connection has let go of the answer. To be called before other hooks. */
export function traceRequests(app: FastifyInstance, tracing: Tracing): void {
  const spans = new WeakMap<IncomingMessage, Span>()
  app.addHook('onRequest', (request, reply, done) => {
    const span = begin(request, tracing)
    spans.set(request.raw, span)
    // The answer closes before whoever forwarded it hears of that, and says what became of it.
    reply.raw.once('close', () => setImmediate(end, span, reply.raw))
    tracing.within(span, done)
  })
  // Between the two the body is read, in what belongs to the connection.
  app.addHook('preValidation', (request, _reply, done) => {
    const span = spans.get(request.raw)
    if (span) tracing.within(span, done)
    else done()
  })
}

function end(span: Span, { statusCode, headersSent }: ServerResponse): void {
  if (headersSent) span.set('http.response.status_code', statusCode)
  span.end(headersSent && statusCode >= 500 ? String(statusCode) : undefined)
}

/** The pattern of the endpoint, never what was asked for: addresses hold codes, states and what people paste. */
function begin(request: FastifyRequest, tracing: Tracing): Span {
  const { method } = request
  const { url: endpoint } = request.routeOptions
  const span = tracing.request(endpoint === undefined ? method : `${method} ${endpoint}`, request.headers)
  span.set('http.request.method', method)
  span.set('gatehouse.request_id', request.id)
  if (endpoint !== undefined) span.set('http.route', endpoint)
  return span
}
