import { createServer, type ServerResponse } from 'node:http'
import { setTimeout as after } from 'node:timers/promises'
import { announce } from '../child.ts'
import { RESULT } from '../mcp-messages.ts'

/**
 * The MCP server behind bodies and streams, and behind calls where there is no nginx. A POST is read to its end and
 * answered with 500 bytes, or with as many as `x-answer-bytes` says. A GET opens an event stream: `x-events` events at
 * a steady pace, each with the time of its departure, and then the end; or an event at once and silence from then on if
 * `x-greeting` is there; or silence from the start.
 */
const PACE_MS = 10
const result = Buffer.from(RESULT)
const answers = new Map<number, Buffer>()

const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
  if (request.method === 'GET') {
    open(response)
    if ('x-greeting' in request.headers) response.write(event())
    const events = Number(request.headers['x-events'] ?? 0)
    return events > 0 ? void send(response, events) : undefined
  }
  const bytes = Number(request.headers['x-answer-bytes'] ?? 0)
  request.resume()
  request.on('end', () => answer(response, bytes === 0 ? result : answerOf(bytes)))
})

function answer(response: ServerResponse, body: Buffer): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
  response.end(body)
}

function answerOf(bytes: number): Buffer {
  const body = answers.get(bytes) ?? Buffer.from(JSON.stringify('x'.repeat(bytes - 2)))
  answers.set(bytes, body)
  return body
}

function open(response: ServerResponse): void {
  // nginx collects answers by default; this is how servers tell it not to.
  response.writeHead(200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
  response.flushHeaders()
}

async function send(response: ServerResponse, events: number): Promise<void> {
  for (let sent = 0; sent < events; sent += 1) {
    await after(PACE_MS)
    response.write(event())
  }
  response.end()
}

function event(): string {
  return `data: {"jsonrpc":"2.0","method":"notifications/message","at":"${process.hrtime.bigint()}"}\n\n`
}

server.listen({ port: 0, host: '127.0.0.1', backlog: 8192 }, () => announce(server))
