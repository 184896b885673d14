import { once } from 'node:events'
import { request as sendRequest } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAnswerParser } from '../../../src/gateway/http1/answer-parser.ts'
import { MalformedAnswer } from '../../../src/gateway/http1/malformed-answer.ts'

/** What a reader made of some bytes: statuses, headers and bodies in order, and how it ended. */
interface Read {
  readonly answers: { status: number; headers: object; body: string; reusable?: boolean }[]
  readonly problem?: string
}

/** Feeds `pieces` as one connection would deliver them; `closed`: the server then closes its side. */
function read(pieces: readonly (string | Buffer)[], { method = 'POST', closed = false, expected = 1 } = {}): Read {
  const answers: Read['answers'] = []
  let left = expected
  const parser = createAnswerParser({
    head: (status, headers) => void answers.push({ status, headers: { ...headers }, body: '' }),
    data(chunk) {
      const last = answers.at(-1)
      if (last) last.body += chunk.toString('latin1')
    },
    end(reusable) {
      Object.assign(answers.at(-1) ?? {}, { reusable })
      left -= 1
      if (left > 0) parser.expect(method)
    },
  })
  parser.expect(method)
  try {
    for (const piece of pieces) parser.feed(Buffer.isBuffer(piece) ? Buffer.from(piece) : Buffer.from(piece, 'latin1'))
    if (closed) parser.finish()
    return { answers }
  } catch (error) {
    if (!(error instanceof MalformedAnswer)) throw error
    return { answers, problem: error.code }
  }
}

const OK = 'HTTP/1.1 200 OK\r\n'

describe('an answer', () => {
  it.each<[string, string, string, boolean, boolean]>([
    ['with a length', `${OK}Content-Length: 4\r\n\r\nbody`, 'body', true, false],
    ['of length 0', `${OK}Content-Length: 0\r\n\r\n`, '', true, false],
    ['in chunks', `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n02;a=b\r\ndy\r\n0\r\n\r\n`, 'body', true, false],
    ['in Chunks', `${OK}transfer-encoding: Chunked\r\n\r\n4\r\nbody\r\n0\r\nTrailer: x\r\n\r\n`, 'body', true, false],
    ['that ends with the connection', `${OK}\r\nbody`, 'body', false, true],
    ['that asks to close', `${OK}Connection: close\r\nContent-Length: 4\r\n\r\nbody`, 'body', false, false],
    ['of HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody', 'body', false, false],
    [
      'of HTTP/1.0 that stays',
      'HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 4\r\n\r\nbody',
      'body',
      true,
      false,
    ],
    ['without a reason', 'HTTP/1.1 200\r\nContent-Length: 4\r\n\r\nbody', 'body', true, false],
    [
      'behind an interim one',
      `HTTP/1.1 103 Early\r\nLink: x\r\n\r\n${OK}Content-Length: 4\r\n\r\nbody`,
      'body',
      true,
      false,
    ],
  ])('%s is read whole (RFC 9112 §6.3)', (_, bytes, body, reusable, closed) => {
    const { answers, problem } = read([bytes], { closed })
    expect(problem).toBeUndefined()
    expect(answers).toMatchObject([{ status: 200, body, reusable }])
  })

  it.each(['HEAD', 'POST'])(
    'to %s with status 204 or 304 has no body, whatever its length says (RFC 9112 §6.3)',
    (method) => {
      for (const status of [204, 304]) {
        const { answers } = read([`HTTP/1.1 ${status} x\r\nContent-Length: 4\r\n\r\n`], { method })
        expect(answers).toMatchObject([{ status, body: '', reusable: true }])
      }
    },
  )

  it('to HEAD has none, and the same answer to POST waits for it', () => {
    const bytes = `${OK}Content-Length: 4\r\n\r\n`
    expect(read([bytes], { method: 'HEAD' }).answers).toMatchObject([{ reusable: true }])
    expect(read([bytes]).answers[0]).not.toHaveProperty('reusable')
  })

  it('keeps the lines of a name apart, its letters low, and only blanks around values away (RFC 9110 §5.5)', () => {
    const { answers } = read([
      `${OK}X-A:  1 \r\nx-a:\t2\t\r\nX-B:\xa0x\xa0\r\n__proto__: y\r\nconstructor: z\r\nContent-Length: 0\r\n\r\n`,
    ])
    expect(Object.entries(answers[0]?.headers ?? {})).toEqual([
      ['x-a', ['1', '2']],
      ['x-b', '\xa0x\xa0'],
      ['__proto__', 'y'],
      ['constructor', 'z'],
      ['content-length', '0'],
    ])
  })

  it('is followed by the next one that was asked for, and by no other (B234)', () => {
    const one = `${OK}Content-Length: 1\r\n\r\na`
    expect(read([one + one], { expected: 2 })).toMatchObject({ answers: [{ body: 'a' }, { body: 'a' }] })
    expect(read([one + one])).toMatchObject({ answers: [{ body: 'a' }], problem: 'ANSWER_UNASKED' })
  })
})

it.each<[string, string]>([
  ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['a protocol that nobody asked for', 'HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n'],
  ['length and chunks', `${OK}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n`],
  ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['another coding', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n`],
  ['chunked twice', `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`],
  ['two lengths', `${OK}Content-Length: 4\r\nContent-Length: 4\r\n\r\n`],
  ['a list of lengths', `${OK}Content-Length: 4, 4\r\n\r\n`],
  ['a signed length', `${OK}Content-Length: +4\r\n\r\n`],
  ['an empty length', `${OK}Content-Length:\r\n\r\n`],
  ['a length beyond all numbers', `${OK}Content-Length: 9999999999999999\r\n\r\n`],
  ['a folded line', `${OK}X: a\r\n b\r\n\r\n`],
  ['a lone line feed', `${OK}X: a\nY: b\r\n\r\n`],
  ['a lone carriage return', `${OK}X: a\rY: b\r\n\r\n`],
  ['a NUL', `${OK}X: a\0b\r\n\r\n`],
  ['a blank before the colon', `${OK}X : a\r\n\r\n`],
  ['no name', `${OK}: a\r\n\r\n`],
  ['no colon', `${OK}X\r\n\r\n`],
  ['a chunk size that is none', `${OK}Transfer-Encoding: chunked\r\n\r\ng\r\n`],
  ['a signed chunk size', `${OK}Transfer-Encoding: chunked\r\n\r\n-1\r\n`],
  ['a chunk that is longer than it says', `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n`],
  ['a chunk size without end', `${OK}Transfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(2000)}`],
  ['a lone line feed behind a chunk size', `${OK}Transfer-Encoding: chunked\r\n\r\n1;a\nb\r\n`],
  ['trailers that are none', `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\nX\r\n\r\n`],
  ['a head without end', `${OK}X: ${'x'.repeat(70_000)}`],
  ['endless interim answers', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(40)],
])('%s is no answer, and nothing of what it carries is passed on (RFC 9112 §6.3, B234)', (_, bytes) => {
  const { answers, problem } = read([bytes])
  expect(problem).toMatch(/^ANSWER_/)
  expect(answers.every(({ body }) => body === '' || body === 'a')).toBe(true)
  expect(answers.every((answer) => !('reusable' in answer))).toBe(true)
})

it.each([
  ['at the end', '\x01'],
  ['behind each letter', `${'a '.repeat(30_000)}\x01`],
])('a value of blanks with what is not allowed %s takes no longer than others (C07)', (_, rest) => {
  for (let count = 0; count < 8; count += 1) {
    const bytes = `${OK}X:${' '.repeat(65_000 - rest.length)}${rest}\r\n\r\n`
    expect(read([bytes]).problem).toBe('ANSWER_HEAD_MALFORMED')
  }
})

it('a head that comes byte by byte takes no longer than as many bytes do, and is read the same (C07)', () => {
  const [bytes, long] = [`${OK}X: ${'x'.repeat(64_000)}\r\nContent-Length: 1\r\n\r\na`, `${OK}X: ${'x'.repeat(66_000)}`]
  // With time that grows by the square, this would take half a minute.
  for (let count = 0; count < 25; count += 1) {
    expect(read([...bytes])).toEqual(read([bytes]))
    expect(read([...long])).toEqual({ answers: [], problem: 'ANSWER_HEAD_TOO_LARGE' })
  }
})

it('trailers, chunk sizes and line ends may come byte by byte as well', () => {
  const bytes = `${OK}Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nbo\r\n2\r\ndy\r\n0\r\nTrailer: x\r\nY: z\r\n\r\n`
  expect(read([...bytes])).toMatchObject({ answers: [{ body: 'body', reusable: true }] })
  expect(read([...bytes].slice(0, -1)).answers[0]).not.toHaveProperty('reusable')
})

it.each([
  ['in its head', 'HTTP/1.1 200 OK\r\nX: a'],
  ['in its body', `${OK}Content-Length: 4\r\n\r\nbo`],
  ['in a chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nbo`],
  ['before the last chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n`],
])('an answer that is cut short %s is never complete (C33)', (_, bytes) => {
  const { answers, problem } = read([bytes], { closed: true })
  expect(problem).toBe('ANSWER_CUT_SHORT')
  expect(answers[0] ?? {}).not.toHaveProperty('reusable')
})

describe('any answer', () => {
  const token = fc
    .stringMatching(/^[a-z][a-z0-9-]{0,10}$/)
    .filter((name) => !/^(?:content-length|connection|transfer-encoding|trailer)$/.test(name))
  const value = fc.stringMatching(/^(?:[!-~](?:[ -~]{0,20}[!-~])?)?$/)
  const answer = fc
    .record({
      status: fc.constantFrom(200, 202, 400, 404, 500),
      headers: fc.array(
        fc.tuple(
          fc.constant('x-').chain((prefix) => token.map((name) => prefix + name)),
          value,
        ),
        { maxLength: 6 },
      ),
      chunks: fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 5 }),
      chunked: fc.boolean(),
    })
    .map(({ status, headers, chunks, chunked }) => {
      const lines = headers.map(([name, text]) => `${name}: ${text}\r\n`).join('')
      const body = Buffer.concat(chunks)
      const framed = chunked
        ? Buffer.concat([
            ...chunks.flatMap((chunk) => [Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]),
            Buffer.from('0\r\n\r\n'),
          ])
        : body
      const framing = chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`
      return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} x\r\n${lines}${framing}\r\n\r\n`, 'latin1'), framed])
    })

  it('is read the same however it is cut into pieces', () => {
    fc.assert(
      fc.property(answer, fc.array(fc.nat(400), { maxLength: 8 }), (bytes, cuts) => {
        const at = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length), bytes.length])].toSorted(
          (a, b) => a - b,
        )
        const pieces = at.slice(1).map((end, index) => bytes.subarray(at[index], end))
        expect(read(pieces)).toEqual(read([bytes]))
        expect(read(pieces).answers).toMatchObject([{ reusable: true }])
      }),
    )
  })

  describe('beside the HTTP client of Node', () => {
    let server: Server
    let bytes: Buffer
    beforeAll(async () => {
      server = createServer((socket) => socket.on('error', () => {}).once('data', () => socket.end(bytes)))
      await once(server.listen(0, '127.0.0.1'), 'listening')
    })
    afterAll(() => void server.close())

    it('is read as that one reads it', async () => {
      await fc.assert(
        fc.asyncProperty(answer, async (made) => {
          bytes = made
          const { port } = server.address() as AddressInfo
          const sent = sendRequest({ port, host: '127.0.0.1', method: 'POST', agent: false })
          sent.end()
          const [theirs] = await once(sent, 'response')
          const body = (await buffer(theirs)).toString('latin1')
          const [ours] = read([made]).answers
          expect(ours).toMatchObject({ status: theirs.statusCode, body })
          const joined = Object.entries(ours?.headers ?? {}).map(([name, text]) => [
            name,
            String(Array.isArray(text) ? text.join(', ') : text),
          ])
          expect(Object.fromEntries(joined)).toEqual({ ...theirs.headers })
        }),
        { numRuns: 60 },
      )
    })
  })
})
