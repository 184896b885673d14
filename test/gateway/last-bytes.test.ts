import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { dechunk, type RawClient, rawClient, startRig } from './rig.ts'

/** More than kernels hand over to somebody who does not read, less than they take. */
const ANSWER = 'data: 0123456789\n\n'.repeat(11_000)
const HEAD = 'POST /route HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n'
/** More than anybody reads who is not interested. */
const PIECES = `400\r\n${'x'.repeat(1024)}\r\n`.repeat(1024)

/** A client that sends `body`, and reads when everything else has been done. */
async function lateReader(port: number, body: string, settled: () => Promise<unknown>): Promise<RawClient> {
  const client = await rawClient(port, '')
  client.socket.pause()
  client.socket.write(HEAD + body, 'latin1')
  await settled()
  for (let turns = 0; turns < 20; turns += 1) await turn()
  client.socket.resume()
  return client
}

it.each([
  ['whose request is complete', `${PIECES}0\r\n\r\n`],
  ['that is still sending', PIECES],
])('the last bytes of an answer reach a client %s (RFC 9112 §9.6, P-12)', async (_, body) => {
  const rig = await startRig({
    upstream: (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(ANSWER)
    },
  })
  const client = await lateReader(rig.port, body, rig.nextOutcome)
  const answer = await client.until('\r\n0\r\n\r\n')
  expect(dechunk(answer).length).toBe(ANSWER.length)
})

it.each([
  ['whose length nobody knew', HEAD],
  ['that was announced', `POST /route HTTP/1.1\r\nHost: g\r\nContent-Length: ${2 ** 26}\r\n\r\n`],
])('a refusal reaches a client that sends a body %s before it reads (RFC 9112 §9.6)', async (_, head) => {
  const rig = await startRig({ upstream: () => {}, maxBodyBytes: 1000 })
  const client = await rawClient(rig.port, head)
  client.socket.pause()
  const failed = await new Promise((resolve) => client.socket.write(PIECES.repeat(16), 'latin1', resolve))
  expect(failed).toBeFalsy()
  client.socket.resume()
  expect(await client.until('body_too_large')).toMatch(/^HTTP\/1\.1 502/)
  expect(await client.closed()).toBeUndefined()
})

it('whoever goes on sending after that is read over, and is no further request (B235)', async () => {
  const asked: unknown[] = []
  const rig = await startRig({
    upstream: (request, response) => {
      asked.push(request.url)
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: 1\n\n')
    },
  })
  const client = await rawClient(rig.port, HEAD)
  await client.until('0\r\n\r\n')
  client.socket.end(`0\r\n\r\n${HEAD}0\r\n\r\n`, 'latin1')
  expect(await client.closed()).toBeUndefined()
  expect(asked).toHaveLength(1)
})
