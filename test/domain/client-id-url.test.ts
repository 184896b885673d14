import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isClientIdUrl, parseClientIdUrl } from '../../src/domain/client-id-url.ts'

describe('the address in a client id (R-31)', () => {
  it.each([
    ['https://claude.ai/oauth/mcp-oauth-client-metadata', 'claude.ai'],
    ['https://vscode.dev/oauth/client-metadata.json', 'vscode.dev'],
    ['https://chatgpt.com/oauth/codex/client.json', 'chatgpt.com'],
    ['https://app.example:8443/client.json', 'app.example:8443'],
    ['https://xn--bcher-kva.example/client', 'xn--bcher-kva.example'],
    ['https://app.example/a/b/', 'app.example'],
    ['https://app.example/.well-known/client', 'app.example'],
    ['https://app.example/..client/...', 'app.example'],
    ['https://app.example/caf%C3%A9', 'app.example'],
    [`https://app.example/${'a'.repeat(2048 - 20)}`, 'app.example'],
  ])('accepts %.60s', (clientId, host) => {
    const parsed = parseClientIdUrl(clientId)
    expect(parsed.ok && parsed.value).toMatchObject({ url: clientId, host })
  })

  it.each([
    ['http', 'http://app.example/client'],
    ['another scheme', 'ftp://app.example/client'],
    ['a scheme in upper case', 'HTTPS://app.example/client'],
    ['no host', 'https:///client'],
    ['no slashes', 'https:app.example/client'],
    ['one slash', 'https:/app.example/client'],
    ['three slashes before the host', 'https:///app.example/client'],
    ['no path', 'https://app.example'],
    ['nothing but a slash as path', 'https://app.example/'],
    ['a fragment', 'https://app.example/client#x'],
    ['an empty fragment', 'https://app.example/client#'],
    ['a query', 'https://app.example/client?x=1'],
    ['an empty query', 'https://app.example/client?'],
    ['a user name', 'https://user@app.example/client'],
    ['a user name and a password', 'https://a:b@app.example/client'],
    ['an empty user name', 'https://@app.example/client'],
    ['a dot segment', 'https://app.example/./client'],
    ['a double dot segment', 'https://app.example/x/../client'],
    ['a final dot segment', 'https://app.example/client/.'],
    ['a final double dot segment', 'https://app.example/client/..'],
    ['an encoded dot segment', 'https://app.example/%2e/client'],
    ['an encoded double dot segment', 'https://app.example/%2E%2e/client'],
    ['a half-encoded dot segment', 'https://app.example/.%2e/client'],
    ['an encoded slash', 'https://app.example/a%2Fb'],
    ['an encoded backslash', 'https://app.example/a%5cb'],
    ['an encoded NUL', 'https://app.example/a%00'],
    ['an encoded line break', 'https://app.example/a%0d%0a'],
    ['broken percent-encoding', 'https://app.example/%zz'],
    ['cut percent-encoding', 'https://app.example/a%2'],
    ['a backslash', 'https://app.example\\client'],
    ['a backslash before the host', 'https:\\\\app.example/client'],
    ['a space', 'https://app.example/cl ient'],
    ['a leading space', ' https://app.example/client'],
    ['a trailing space', 'https://app.example/client '],
    ['a tab', 'https://app.example/cl\tient'],
    ['a line break', 'https://app.example/cl\nient'],
    ['a NUL', 'https://app.example/client\0'],
    ['a non-ASCII path', 'https://app.example/é'],
    ['a non-ASCII host', 'https://bücher.example/client'],
    ['a homograph host', 'https://аpp.example/client'],
    ['full-width digits', 'https://①②⑦.0.0.1/client'],
    ['ideographic full stops', 'https://127。0。0。1/client'],
    ['a host in upper case', 'https://APP.example/client'],
    ['a percent-encoded host', 'https://%61pp.example/client'],
    ['a final dot of the host', 'https://app.example./client'],
    ['an address with a final dot', 'https://169.254.169.254./client'],
    ['a short address', 'https://127.1/client'],
    ['a hexadecimal address', 'https://0x7f000001/client'],
    ['a decimal address', 'https://2130706433/client'],
    ['an octal address', 'https://0177.0.0.1/client'],
    ['zero as address', 'https://0/client'],
    ['an IPv6 address not in its short form', 'https://[0:0:0:0:0:0:0:1]/client'],
    ['an IPv6 address with a zone', 'https://[fe80::1%25eth0]/client'],
    ['the default port', 'https://app.example:443/client'],
    ['an empty port', 'https://app.example:/client'],
    ['a port with a leading zero', 'https://app.example:08443/client'],
    ['a port that does not exist', 'https://app.example:65536/client'],
    ['2049 characters', `https://app.example/${'a'.repeat(2049 - 20)}`],
    ['markup', 'https://app.example/<b>'],
    ['nothing', ''],
  ])('refuses %s (B037, B038)', (_, clientId) => expect(parseClientIdUrl(clientId).ok).toBe(false))

  it('accepts only what a URL parser leaves exactly as it is, whatever is inserted', () => {
    const piece = fc.constantFrom(
      '/',
      '.',
      '..',
      '%2e',
      '%2F',
      '\\',
      '@',
      ':',
      '#',
      '?',
      ' ',
      '\t',
      'é',
      '%',
      'A',
      '//',
      '[',
      '。',
    )
    fc.assert(
      fc.property(fc.nat(40), piece, fc.nat(40), piece, (at, one, then, two) => {
        const base = 'https://app.example/oauth/client.json'
        const first = base.slice(0, at) + one + base.slice(at)
        const clientId = first.slice(0, then) + two + first.slice(then)
        const parsed = parseClientIdUrl(clientId)
        if (!parsed.ok) return
        const url = new URL(clientId)
        expect(url.href).toBe(clientId)
        expect([url.protocol, url.username, url.password, url.search, url.hash]).toEqual(['https:', '', '', '', ''])
        expect(url.pathname.replaceAll(/%2e/gi, '.').replaceAll(/%2f/gi, '/').split(/[/\\]/)).not.toContain('..')
      }),
      { numRuns: 2000 },
    )
  })

  it('takes a client id for an address whatever the case of its scheme, and nothing else for one', () => {
    expect(isClientIdUrl('https://app.example/client')).toBe(true)
    expect(isClientIdUrl('HTTPS:x')).toBe(true)
    expect(isClientIdUrl('client-abc')).toBe(false)
    expect(isClientIdUrl('http://app.example/client')).toBe(false)
  })
})
