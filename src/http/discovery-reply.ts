import type { FastifyReply, FastifyRequest } from 'fastify'

/** Clients may keep metadata for this long; it changes only when the configuration does. */
const MAX_AGE_SECONDS = 300

/** An endpoint for keys that change by themselves (RFC 7517 §5). */
export function keysEndpoint(keys: { publicKeys(): Promise<unknown> }) {
  return async (_request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
    reply.header('cache-control', `public, max-age=${MAX_AGE_SECONDS}`).send(await keys.publicKeys())
}

/**
 * An endpoint for a metadata document (RFC 8414 §3.2, RFC 9728 §3.2): built once from configuration alone, the same
 * bytes for everybody, whatever the request says about hosts.
 */
export function documentEndpoint(document: Record<string, unknown>) {
  const body = JSON.stringify(document)
  return async (_request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
    reply.header('cache-control', `public, max-age=${MAX_AGE_SECONDS}`).type('application/json').send(body)
}
