import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type ClientRequest, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createServer } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { makeCertificate } from '../fixtures/certificate.ts'
import { listen, RAW_GET, rawClient, startRig } from './rig.ts'

/** Some are read as one large piece, some as several small ones. */
const PIECE_BYTES = 40 * 1024
const PIECES = 500
const TOTAL = PIECE_BYTES * PIECES
const LENGTH = { 'content-length': TOTAL }
/** How many turns of the event loop a slow reader leaves between two pieces; a writer needs one. */
const SLOW_TURNS = 20

/** No two are alike, and none is like itself shifted. */
function piece(index: number): Buffer {
  return Buffer.from(Uint32Array.from({ length: PIECE_BYTES / 4 }, (_, at) => index * PIECE_BYTES + at).buffer)
}

const WHOLE = createHash('sha256')
for (let index = 0; index < PIECES; index += 1) WHOLE.update(piece(index))
const DIGEST = WHOLE.digest('hex')

async function writePieces(writer: ServerResponse | ClientRequest): Promise<void> {
  for (let index = 0; index < PIECES; index += 1) {
    if (!writer.write(piece(index))) await once(writer, 'drain')
    await turn()
  }
  writer.end()
}

async function digestOf(reader: IncomingMessage, turns: number): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of reader) {
    hash.update(chunk)
    for (let count = 0; count < turns; count += 1) await turn()
  }
  return hash.digest('hex')
}

describe.each([
  ['with a length', LENGTH],
  ['in chunks', {}],
])('a large body %s', (_, headers) => {
  it.each([
    ['slow', SLOW_TURNS],
    ['quick', 0],
  ])('comes to a %s server as it was, to the last byte (P-12, P-64)', async (__, turns) => {
    const rig = await startRig({
      upstream: async (request, response) => response.end(await digestOf(request, turns)),
    })
    const sent = httpRequest(rig.url, { method: 'POST', headers })
    const [[response]] = await Promise.all([once(sent, 'response') as Promise<[IncomingMessage]>, writePieces(sent)])
    expect(Buffer.concat(await response.toArray()).toString()).toBe(DIGEST)
  })

  it.each([
    ['slow', SLOW_TURNS],
    ['quick', 0],
  ])('comes to a %s client as it was, to the last byte (P-12, P-64)', async (__, turns) => {
    const rig = await startRig({
      upstream: (___, response) => void writePieces(response.writeHead(200, headers)),
    })
    const sent = httpRequest(rig.url).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    expect(await digestOf(response, turns)).toBe(DIGEST)
    expect(await rig.nextOutcome()).toEqual({ kind: 'answered', status: 200, bytes: TOTAL })
  })
})

it.each([
  // Records of TLS are small pieces.
  ['slow', SLOW_TURNS / 4],
  ['quick', 0],
])('both ways over TLS they are as they were, to the last byte, for %s readers too (P-12, P-32)', async (_, turns) => {
  const certificate = makeCertificate(['127.0.0.1'])
  const secure = createTlsServer(certificate, async (request, response) => {
    response.writeHead(200, { 'x-received': await digestOf(request, turns), ...LENGTH })
    await writePieces(response)
  })
  const upstream = new URL(`https://127.0.0.1:${await listen(secure)}`)
  const authorities = getCACertificates('default')
  setDefaultCACertificates([...authorities, certificate.cert])
  try {
    const rig = await startRig({ upstream })
    const sent = httpRequest(rig.url, { method: 'POST', headers: LENGTH })
    const [[response]] = await Promise.all([once(sent, 'response') as Promise<[IncomingMessage]>, writePieces(sent)])
    expect([response.headers['x-received'], await digestOf(response, turns)]).toEqual([DIGEST, DIGEST])
  } finally {
    setDefaultCACertificates(authorities)
  }
})

it('an answer in very many chunks costs as many writes as it was read with, not one for each (C38)', async () => {
  const chunks = '1\r\nx\r\n'.repeat(5000)
  const server = createServer((socket) =>
    socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`)),
  )
  const rig = await startRig({ upstream: new URL(`http://127.0.0.1:${await listen(server)}`) })
  const client = await rawClient(rig.port, RAW_GET)
  const answer = await client.until('\r\n0\r\n\r\n')
  const body = answer.slice(answer.indexOf('\r\n\r\n') + 4)
  expect(body.match(/x/g)).toHaveLength(5000)
  expect(body.split('\r\n').length).toBeLessThan(50)
})
