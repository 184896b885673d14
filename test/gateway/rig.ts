import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, connect, type Server as NetServer, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterEach } from 'vitest'
import {
  createForwarder,
  type Exchange,
  type Forwarder,
  type ForwarderOptions,
  type ForwardOutcome,
} from '../../src/gateway/forward.ts'
import { upstreamHeaders } from '../../src/gateway/headers.ts'

/** A real MCP server stand-in, a bare node:http server that forwards to it, and what became of each exchange. */
export interface Rig {
  readonly port: number
  readonly url: string
  readonly upstreamPort: number
  readonly forwarder: Forwarder
  /** The next outcome that no one has taken yet. */
  nextOutcome(): Promise<ForwardOutcome>
}

export interface RigOptions extends ForwarderOptions {
  /** A URL is only forwarded to. */
  readonly upstream: RequestListener | NetServer | URL
  /** Where requests for `/other` go. */
  readonly other?: URL
  /** Reads bodies before forwarding instead of streaming them. */
  readonly buffered?: boolean
  readonly injected?: Readonly<Record<string, string>>
  readonly upstreamPath?: string
  readonly owner?: string
  /** Further members of each exchange. */
  readonly exchange?: Partial<Exchange>
  /** What the caller does with an outcome that left the client without an answer. Default: 502 with its kind. */
  readonly unanswered?: (outcome: ForwardOutcome, exchange: Exchange, forwarder: Forwarder) => Promise<ForwardOutcome>
}

const WITHOUT_ANSWER = new Set([
  ...['credential_refused', 'unreachable', 'timed_out', 'redirected', 'body_too_large', 'cut', 'not_admitted'],
])

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

export async function startRig(options: RigOptions): Promise<Rig> {
  const upstream = options.upstream instanceof URL ? options.upstream : await startUpstream(options)
  const forwarder = createForwarder(options)
  closers.push(() => forwarder.close())
  const arrived: ForwardOutcome[] = []
  let waiting: ((outcome: ForwardOutcome) => void) | undefined

  const front = createServer(async (request, response) => {
    const exchange: Exchange = {
      request,
      response,
      upstream: request.url === '/other' && options.other ? options.other : upstream,
      query: request.url?.split('?')[1] ?? '',
      body: options.buffered ? await buffer(request) : 'stream',
      headers: upstreamHeaders(request.headers, options.injected ?? {}),
      extraResponseHeaders: { 'x-request-id': 'r1' },
      ...(options.owner !== undefined && { owner: options.owner }),
      ...options.exchange,
    }
    let outcome = await forwarder.forward(exchange)
    if (options.unanswered) outcome = await options.unanswered(outcome, exchange, forwarder)
    if (WITHOUT_ANSWER.has(outcome.kind) && !response.headersSent) response.writeHead(502).end(outcome.kind)
    if (waiting) waiting(outcome)
    else arrived.push(outcome)
    waiting = undefined
  })
  const port = await listen(front)
  return {
    port,
    url: `http://127.0.0.1:${port}/route`,
    upstreamPort: Number(upstream.port),
    forwarder,
    async nextOutcome() {
      const outcome = arrived.shift()
      if (outcome) return outcome
      return new Promise<ForwardOutcome>((resolve) => {
        waiting = resolve
      })
    },
  }
}

async function startUpstream(options: RigOptions): Promise<URL> {
  const server = typeof options.upstream === 'function' ? createServer(options.upstream) : options.upstream
  const port = await listen(server as Server)
  return new URL(`http://127.0.0.1:${port}${options.upstreamPath ?? '/mcp'}`)
}

/** Listens on a free port of 127.0.0.1 until the test ends. */
export async function listen(server: Server | NetServer): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
  })
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A raw client connection: what was received so far, and a way to wait for more. */
export interface RawClient {
  readonly socket: Socket
  received(): string
  /** Resolves as soon as the received bytes (latin1) contain `text`; rejects if the connection closes before. */
  until(text: string): Promise<string>
  /** Resolves when the connection has closed, with an error code if it was reset. */
  closed(): Promise<string | undefined>
}

export async function rawClient(port: number, send: string): Promise<RawClient> {
  const socket = connect(port, '127.0.0.1')
  closers.push(() => {
    socket.destroy()
  })
  let text = ''
  let failure: string | undefined
  const changed = new Set<() => void>()
  const wake = () => {
    for (const look of changed) look()
  }
  socket.setEncoding('latin1')
  socket.on('data', (data) => {
    text += data
    wake()
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    failure = error.code
  })
  socket.on('close', wake)
  const when = (ready: () => boolean, orClosed: () => boolean) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (ready()) resolve()
        else if (orClosed()) reject(new Error(`closed before it came; received: ${text}`))
        else return
        changed.delete(look)
      }
      changed.add(look)
      look()
    })
  await once(socket, 'connect')
  socket.write(send, 'latin1')
  return {
    socket,
    received: () => text,
    async until(wanted) {
      await when(
        () => text.includes(wanted),
        () => socket.closed,
      )
      return text
    },
    async closed() {
      await when(
        () => socket.closed,
        () => false,
      )
      return failure
    },
  }
}

/** A request with a body, as raw bytes. */
export function rawPost(body: string, headers = ''): string {
  return `POST /route HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`
}

/** A GET that asks for an event stream, as raw bytes. */
export const RAW_GET = 'GET /route HTTP/1.1\r\nHost: g\r\nAccept: text/event-stream\r\n\r\n'

/** The body of a chunked answer, put together. */
export function dechunk(answer: string): string {
  let rest = answer.slice(answer.indexOf('\r\n\r\n') + 4)
  let body = ''
  while (rest !== '') {
    const line = rest.indexOf('\r\n')
    const size = Number.parseInt(rest.slice(0, line), 16)
    if (line < 0 || Number.isNaN(size) || size === 0) break
    body += rest.slice(line + 2, line + 2 + size)
    rest = rest.slice(line + 2 + size + 2)
  }
  return body
}
