import type { IncomingMessage, Server, ServerResponse } from 'node:http'

/**
 * Tells clients that wait for it to send their body (RFC 9110 §10.1.1) when somebody begins to read it: whoever is refused
 * is spared sending one (B236). Node would tell everybody.
 */
export function continueWhenRead(server: Server): void {
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    request.once('resume', () => {
      if (!response.headersSent) response.writeContinue()
    })
    server.emit('request', request, response)
  })
}
