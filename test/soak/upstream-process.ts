import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  createMcpHandler,
  fromJsonSchema,
  isLegacyRequest,
  McpServer,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server'
import { nodeListener } from '../fixtures/conformance-server/node-listener.ts'
import { type Answer, IDENTITY_HEADER, type UpstreamStart } from './messages.ts'

/**
 * The MCP server of a soak, on both wires: says whose credential and whose identity header came with a call, and whose
 * session it is. Resets a share of its connections at some moment after it has got the request.
 */
const { issuer, resetShare } = JSON.parse(process.argv[2] ?? '{}') as UpstreamStart
const RESET_WITHIN_MS = 6
const subjects = new Map<string, Promise<string>>()
const sessions = new Map<
  string,
  { readonly owner: string; readonly transport: WebStandardStreamableHTTPServerTransport }
>()

/** Whose access token this is, as its issuer says; asked once for each. */
function subjectOf(authorization: string | null): Promise<string> {
  const token = authorization ?? ''
  const known = subjects.get(token)
  if (known) return known
  const asked = fetch(`${issuer}/me`, { headers: { authorization: token } }).then(async (answer) => {
    if (!answer.ok) throw new Error(`not a token of ${issuer}: ${answer.status}`)
    return ((await answer.json()) as { sub: string }).sub
  })
  subjects.set(token, asked)
  asked.catch(() => subjects.delete(token))
  return asked
}

function createTools(sessionOwner?: string): McpServer {
  const server = new McpServer({ name: 'soak', version: '1.0.0' })
  const inputSchema = fromJsonSchema<{ nonce: string }>({ type: 'object', properties: { nonce: { type: 'string' } } })
  server.registerTool('whoami', { description: 'Says who calls.', inputSchema }, async ({ nonce }, context) => {
    const headers = context.http?.req?.headers ?? new Headers()
    const answer: Answer = {
      nonce,
      credentialOf: await subjectOf(headers.get('authorization')),
      identity: headers.get(IDENTITY_HEADER),
      ...(sessionOwner === undefined ? {} : { sessionOwner }),
    }
    return { content: [{ type: 'text', text: JSON.stringify(answer) }] }
  })
  return server
}

const modern = createMcpHandler(() => createTools(), { legacy: 'reject' })

async function answer(request: Request): Promise<Response> {
  const subject = await subjectOf(request.headers.get('authorization')).catch(() => undefined)
  if (subject === undefined) return new Response(null, { status: 401 })
  if (!(await isLegacyRequest(request))) return modern.fetch(request)
  const id = request.headers.get('mcp-session-id')
  const known = id === null ? await openSession(subject) : sessions.get(id)?.transport
  return known ? known.handleRequest(request) : new Response(null, { status: 404 })
}

async function openSession(owner: string) {
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => void sessions.set(id, { owner, transport }),
    onsessionclosed: (id) => void sessions.delete(id),
  })
  await createTools(owner).connect(transport)
  return transport
}

const listener = nodeListener(answer)
const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  if (request.method === 'POST' && Math.random() < resetShare)
    setTimeout(() => request.socket.resetAndDestroy(), Math.random() * RESET_WITHIN_MS)
  listener(request, response)
})
server.listen(0, '127.0.0.1', () => {
  process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp` })
})
// It ends with the soak, however that ends.
process.on('disconnect', () => process.exit())
