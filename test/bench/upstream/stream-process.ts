import { createServer } from 'node:http'
import { announce } from '../child.ts'
import { RESULT } from '../mcp-messages.ts'

/** The MCP server behind every case: reads the call, answers at once. */
const body = Buffer.from(RESULT)
const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  request.resume()
  request.on('end', () => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
    response.end(body)
  })
})
server.listen(0, '127.0.0.1', () => announce(server))
