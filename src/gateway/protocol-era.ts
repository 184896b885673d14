import type { IncomingMessage } from 'node:http'

/** The first revision without sessions and without streams that a GET opens. */
const FIRST_MODERN = '2026-07-28'
const REVISION = /^\d{4}-\d{2}-\d{2}$/

/** Whether a request says of itself that it is of a revision from 2026-07-28 on; older ones may leave the header out. */
export function isModern(request: IncomingMessage): boolean {
  const version = request.headers['mcp-protocol-version']
  return typeof version === 'string' && version >= FIRST_MODERN && REVISION.test(version)
}
