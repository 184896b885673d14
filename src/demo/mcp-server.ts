import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { localhostHostValidation, localhostOriginValidation, toWebRequest } from '@modelcontextprotocol/node'
import {
  createMcpHandler,
  isLegacyRequest,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server'
import type { Secret } from '../domain/secret.ts'
import { createDemoTools, fingerprintOf } from './tools.ts'

/** A running demo MCP server. */
export interface DemoMcpServer {
  /** Its one endpoint, on loopback. */
  readonly url: string
  /** What its `whoami` tool reports when it saw the right token. */
  readonly fingerprint: string
  /** Ends all sessions and connections. */
  close(): Promise<void>
}

/**
 * Starts an MCP server that knows nothing of OAuth: it accepts one personal access token as a Bearer credential. It
 * speaks 2025-11-25 with sessions and 2026-07-28 without, on one endpoint. `port` 0 or absent: any free one.
 */
export async function startDemoMcpServer(options: {
  readonly personalAccessToken: Secret
  readonly port?: number
}): Promise<DemoMcpServer> {
  const expected = digest(`Bearer ${options.personalAccessToken.reveal()}`)
  const endpoint = createEndpoint()
  const guards = [localhostHostValidation(), localhostOriginValidation()]
  const server = createServer((request, response) => {
    if (!guards.every((guard) => guard(request, response))) return
    if (!timingSafeEqual(digest(request.headers.authorization ?? ''), expected)) return refuse(response)
    if (request.url?.split('?')[0] !== '/mcp') return void response.writeHead(404).end()
    void answer(request, response, endpoint.fetch)
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    fingerprint: fingerprintOf(options.personalAccessToken.reveal()),
    async close() {
      await endpoint.close()
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Both wires behind one function: a request's own shape says which one it speaks. */
function createEndpoint() {
  const modern = createMcpHandler(createDemoTools, { legacy: 'reject' })
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>()
  return {
    async fetch(request: Request): Promise<Response> {
      if (!(await isLegacyRequest(request))) return modern.fetch(request)
      const id = request.headers.get('mcp-session-id')
      const session = id === null ? await openSession(sessions) : sessions.get(id)
      return session ? session.handleRequest(request) : jsonRpcError(404, 'Session not found')
    },
    async close() {
      await Promise.all([modern.close(), ...[...sessions.values()].map((session) => session.close())])
    },
  }
}

/** A session that is kept once the client has initialized it; anything else it refuses by itself. */
async function openSession(sessions: Map<string, WebStandardStreamableHTTPServerTransport>) {
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => void sessions.set(id, transport),
    onsessionclosed: (id) => void sessions.delete(id),
  })
  await createDemoTools().connect(transport)
  return transport
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  fetch: (request: Request) => Promise<Response>,
): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  try {
    // A request that a server has received has a method and a URL.
    const incoming = request as IncomingMessage & { method: string; url: string }
    const { status, headers, body } = await fetch(await toWebRequest(incoming, undefined, { signal: gone.signal }))
    response.writeHead(status, Object.fromEntries(headers))
    if (body === null) return void response.end()
    // A quiet stream must be known to be open before its first event.
    response.flushHeaders()
    await pipeline(Readable.fromWeb(body), response)
  } catch {
    // The client has left, or sent what cannot be read.
    if (response.headersSent) response.destroy()
    else response.writeHead(400).end()
  }
}

/** Its own plain challenge (RFC 6750 §3), as a server without OAuth would send. */
function refuse(response: ServerResponse): void {
  response
    .writeHead(401, { 'WWW-Authenticate': 'Bearer realm="demo"', 'Content-Type': 'application/json' })
    .end(JSON.stringify({ error: 'a personal access token is required' }))
}

function jsonRpcError(status: number, message: string): Response {
  return Response.json({ jsonrpc: '2.0', error: { code: -32_001, message }, id: null }, { status })
}

/** Equal lengths, so that the comparison takes the same time for every guess. */
function digest(value: string): Buffer {
  return createHash('sha256').update(value).digest()
}
