import type { FastifyRequest } from 'fastify'

/** What the audit trail notes of a request: its id, and the client's address as far as the configuration lets us know it. */
export function circumstances(request: FastifyRequest): { readonly requestId: string; readonly address: string } {
  return { requestId: request.id, address: request.ip }
}
