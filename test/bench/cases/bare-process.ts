import { createServer } from 'node:http'
import { createPool } from '../../../src/gateway/http1/pool.ts'
import { announce } from '../child.ts'
import { tokenCheck } from './token-check.ts'

/** node:http and the gateway's own client with the token check in between, for small bodies: `node bare-process.ts UPSTREAM TOKEN`. */
const [upstream = '', token = ''] = process.argv.slice(2)
const passes = tokenCheck(token)
const pool = createPool(new URL(upstream), 3000)
const server = createServer((request, response) => {
  if (!passes(request.headers.authorization)) return void response.writeHead(401).end()
  const sent: Buffer[] = []
  request.on('data', (chunk: Buffer) => sent.push(chunk))
  request.on('end', () => {
    const received: Buffer[] = []
    pool.dispatch(
      {
        method: 'POST',
        path: '/mcp',
        headers: { authorization: 'Bearer upstream-credential', 'content-type': 'application/json' },
        body: Buffer.concat(sent),
        answerTimeoutMs: 60_000,
      },
      {
        onStart() {},
        onHead(_, status, headers) {
          response.writeHead(status, { 'content-type': String(headers['content-type']) })
        },
        onData(_, chunk) {
          received.push(chunk)
          return false
        },
        onEnd: () => void response.end(Buffer.concat(received)),
        onError: () => void response.destroy(),
      },
    )
  })
})
server.listen(0, '127.0.0.1', () => announce(server))
