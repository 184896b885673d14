import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { endpointRewrite, UnusableEndpoint } from '../../src/gateway/endpoint-event.ts'

/** What comes out of a stream that arrives in these pieces, with the announced URI in brackets. */
async function rewritten(pieces: readonly (string | Buffer)[]): Promise<string> {
  const rewrite = endpointRewrite(async (uri) => `[${uri}]`)
  const out: Buffer[] = []
  for (const piece of pieces) out.push(await rewrite(Buffer.from(piece as string)))
  return Buffer.concat(out).toString()
}

describe('the endpoint event of the old transport', () => {
  it.each([
    ['event: endpoint\ndata: /m?s=1\n\n', 'event: endpoint\ndata: [/m?s=1]\n\n'],
    ['event: endpoint\r\ndata: /m?s=1\r\n\r\n', 'event: endpoint\r\ndata: [/m?s=1]\r\n\r\n'],
    ['event: endpoint\rdata: /m?s=1\r\r', 'event: endpoint\rdata: [/m?s=1]\r\r'],
    ['event:endpoint\ndata:/m\n\n', 'event:endpoint\ndata:[/m]\n\n'],
    ['data: /m\nid: 7\nevent: endpoint\n\n', 'data: [/m]\nid: 7\nevent: endpoint\n\n'],
    ['\ufeffevent: endpoint\ndata: /m\n\n', '\ufeffevent: endpoint\ndata: [/m]\n\n'],
    [': hello\n\nevent: endpoint\ndata: /m\n\n', ': hello\n\nevent: endpoint\ndata: [/m]\n\n'],
  ])('is rewritten, whatever the line ends: %j (P-101)', async (sent, expected) => {
    expect(await rewritten([sent])).toBe(expected)
    expect(await rewritten([...Buffer.from(sent)].map((byte) => Buffer.of(byte)))).toBe(expected)
  })

  it('is rewritten once: a later one is the server’s business, as is every other event (P-104)', async () => {
    const first = 'event: endpoint\ndata: /m\n\n'
    const rest = 'event: endpoint\ndata: /other\n\nevent: message\ndata: endpoint\r\n\r\n: \u00e9\u{1f600}\n\n'
    expect(await rewritten([first + rest])).toBe(`event: endpoint\ndata: [/m]\n\n${rest}`)
    expect(await rewritten([first, rest])).toBe(`event: endpoint\ndata: [/m]\n\n${rest}`)
  })

  it.each([
    'event: message\ndata: {}\n\n',
    'data: event: endpoint\n\n',
    ': event: endpoint\n\n',
    'event: endpoints\n\n',
  ])('is not what only looks like one: %j (P-104)', async (sent) => {
    expect(await rewritten([sent])).toBe(sent)
  })

  it('leaves every byte of a stream without one as it came, however it is cut (P-104)', async () => {
    const pieces = fc.array(fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.constantFrom(...LINES)), { maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(pieces, async (raw) => {
        const chunks = raw.map((piece) => Buffer.from(piece))
        const rewrite = endpointRewrite(async () => 'never')
        const out: Buffer[] = []
        for (const chunk of chunks) out.push(await rewrite(chunk))
        out.push(await rewrite(Buffer.from('\n\n')))
        const whole = Buffer.concat([...chunks, Buffer.from('\n\n')])
        const passed = Buffer.concat(out)
        expect(whole.subarray(0, passed.length).equals(passed)).toBe(true)
        // A line end behind a blank line begins what may become the next event.
        expect(whole.length - passed.length).toBeLessThanOrEqual(1)
      }),
    )
  })

  it.each(['event: endpoint\n\n', 'event: endpoint\ndata: /a\ndata: /b\n\n'])(
    'is refused when no client could understand it: %j (P-101)',
    async (sent) => {
      await expect(rewritten([sent])).rejects.toThrow(UnusableEndpoint)
    },
  )

  it('is not waited for without end: an event that never ends is refused (B278)', async () => {
    await expect(rewritten(['data: ', 'x'.repeat(70_000)])).rejects.toThrow(UnusableEndpoint)
    const long = `data: ${'x'.repeat(60_000)}\n\n`
    expect(await rewritten([long, long])).toBe(long + long)
  })
})

const LINES = [Buffer.from('data: 1\n\n'), Buffer.from('\r\n\r\n'), Buffer.from('event: message\n'), Buffer.from('\r')]
