import { connect, type Socket } from 'node:net'
import type { Target } from './case.ts'

/** Opens an event stream on a bare socket, which costs this process next to nothing. */
export function openStream(target: Target, headers: Readonly<Record<string, string>> = {}): Socket {
  const { hostname, port, pathname } = new URL(target.url)
  const socket = connect(Number(port), hostname)
  socket.setNoDelay(true)
  // Whoever waits for something hears of it by itself; a proxy that resets later must not end the whole run.
  socket.on('error', () => {})
  const lines = Object.entries({
    host: `${hostname}:${port}`,
    authorization: `Bearer ${target.tokens[0]}`,
    accept: 'text/event-stream',
    'mcp-protocol-version': '2025-11-25',
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`GET ${pathname} HTTP/1.1\r\n${lines.join('')}\r\n`)
  return socket
}

/** Resolves when the stream's headers are there; rejects when they are not those of a good answer, or not within `limitMs`. */
export function headersOf(socket: Socket, limitMs = 10_000): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = ''
    const late = setTimeout(() => reject(new NoHeaders(`no headers within ${limitMs} ms`)), limitMs)
    socket.on('data', function read(data) {
      text += data.toString('latin1')
      if (!text.includes('\r\n\r\n')) return
      clearTimeout(late)
      socket.off('data', read)
      socket.resume()
      if (text.startsWith('HTTP/1.1 200 ')) resolve()
      else reject(new Error(`no stream: ${text}`))
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed before the headers')))
  })
}

/** A proxy keeps the headers back until there is a body to send with them. */
export class NoHeaders extends Error {
  override readonly name = 'NoHeaders'
}
