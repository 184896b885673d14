import fastify, { type FastifyInstance } from 'fastify'
import { WITHOUT_SCHEMAS } from './http/without-schemas.ts'
import type { Metrics } from './metrics.ts'

/** What the operations listener reports. */
export interface Operations {
  readonly metrics: Metrics
  /** Resolves when a request could be honoured right now; rejects otherwise. */
  readonly ready: () => Promise<void>
}

/**
 * The listener for operators, never the public one: `/healthz` says that the process lives, `/readyz` whether it could
 * honour a request (false while shutting down), `/metrics` in the Prometheus text format.
 */
export function createOperationsListener(operations: Operations): FastifyInstance {
  const app = fastify({ logger: false, schemaController: WITHOUT_SCHEMAS })
  app.get('/healthz', async (_request, reply) => reply.send({ status: 'ok' }))
  app.get('/readyz', async (_request, reply) => {
    try {
      await operations.ready()
      return reply.send({ status: 'ready' })
    } catch {
      return reply.code(503).send({ status: 'not ready' })
    }
  })
  app.get('/metrics', async (_request, reply) => {
    const { registry } = operations.metrics
    return reply.type(registry.contentType).send(await registry.metrics())
  })
  return app
}
