import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { acceptRedirectUri, describeRedirectUri, matchRedirectUri, withAnswer } from '../../src/domain/redirect-uri.ts'

describe('what may be registered (RFC 7591 §2, RFC 8252 §7)', () => {
  it.each([
    ['https://app.example/cb', 'https', 'app.example'],
    ['https://app.example:8443/cb?tenant=1', 'https', 'app.example:8443'],
    ['https://claude.ai/api/mcp/auth_callback', 'https', 'claude.ai'],
    ['https://xn--bcher-kva.example/cb', 'https', 'xn--bcher-kva.example'],
    ['http://127.0.0.1/', 'loopback', '127.0.0.1'],
    ['http://127.0.0.1:33418/', 'loopback', '127.0.0.1'],
    ['http://localhost:6274/oauth/callback', 'loopback', 'localhost'],
    ['http://localhost', 'loopback', 'localhost'],
    ['http://[::1]:8080/cb', 'loopback', '[::1]'],
    ['com.example.app:/cb', 'private-scheme', 'com.example.app'],
    ['cursor://anysphere.cursor-mcp/oauth/callback', 'private-scheme', 'cursor'],
  ])('accepts %s as %s (R-07)', (uri, kind, who) => {
    const accepted = acceptRedirectUri(uri)
    expect(accepted.ok && accepted.value.kind).toBe(kind)
    const target = describeRedirectUri(uri)
    expect(target.kind === 'private-scheme' ? target.scheme : target.host).toBe(who)
  })

  it.each([
    ['plain http elsewhere', 'http://app.example/cb'],
    ['a DNS name that resolves to loopback', 'http://127.0.0.1.nip.io/cb'],
    ['a sub-domain that begins with localhost', 'http://localhost.evil.example/cb'],
    ['loopback as user name', 'http://127.0.0.1@evil.example/'],
    ['any address', 'http://0.0.0.0/'],
    ['any IPv6 address', 'http://[::]/'],
    ['a short loopback literal', 'http://127.1/cb'],
    ['another loopback address', 'http://127.0.0.2/cb'],
    ['localhost with a final dot', 'http://localhost./cb'],
    ['port 0', 'http://localhost:0/cb'],
    ['a port that does not exist', 'http://localhost:65536/cb'],
  ])('refuses %s (B019, X-11)', (_, uri) => expect(acceptRedirectUri(uri).ok).toBe(false))

  it.each([
    ['a fragment', 'https://app.example/cb#x'],
    ['an empty fragment', 'https://app.example/cb#'],
    ['user information', 'https://user@app.example/cb'],
    ['user information with password', 'https://a:b@app.example/cb'],
    ['user information under a private scheme', 'cursor://a@b/cb'],
    ['a wildcard host', 'https://*.app.example/cb'],
    ['a wildcard path', 'https://app.example/*'],
    ['a backslash', 'https://app.example\\@evil.example/cb'],
    ['a space', 'https://app.example/c b'],
    ['a leading space', ' https://app.example/cb'],
    ['a trailing tab', 'https://app.example/cb\t'],
    ['a line break', 'https://app.example/cb\r\nSet-Cookie:a=b'],
    ['a NUL', 'https://app.example/cb\0'],
    ['a homograph host', 'https://аpp.example/cb'],
    ['a non-ASCII path', 'https://app.example/é'],
    ['a dot segment', 'https://app.example/x/../cb'],
    ['a single dot segment', 'https://app.example/./cb'],
    ['an encoded dot segment', 'https://app.example/x/%2e%2E/cb'],
    ['a half-encoded dot segment', 'https://app.example/x/.%2e'],
    ['broken percent-encoding', 'https://app.example/%zz'],
    ['cut percent-encoding', 'https://app.example/%2'],
    ['2001 characters', `https://app.example/${'a'.repeat(1981)}`],
    ['a host in upper case', 'https://APP.example/cb'],
    ['a percent-encoded host', 'https://%61pp.example/cb'],
    ['a hexadecimal address', 'https://0x7f.1/cb'],
    ['no host', 'https:///cb'],
    ['one slash', 'https:/app.example/cb'],
    ['no slash', 'https:app.example/cb'],
    ['a relative reference', '/cb'],
    ['a network-path reference', '//app.example/cb'],
    ['nothing', ''],
    ['a scheme alone', 'cursor:'],
    ['a scheme in upper case', 'COM.EXAMPLE.APP:/cb'],
  ])('refuses %s (B020)', (_, uri) => expect(acceptRedirectUri(uri).ok).toBe(false))

  it.each(
    `javascript:alert(1) data:text/html,x file:///etc/passwd vbscript:x blob:https://a/b about:blank view-source:https://a/
     filesystem:https://a/b ms-word:ofe|u|x search-ms:query=x ftp://a/b ws://a/b wss://a/b mailto:a@b tel:1
     intent://a/b chrome://settings jar:https://a/b!/c`
      .split(/\s+/)
      .map((uri) => [uri]),
  )('refuses the dangerous scheme of %s (R-06)', (uri) => expect(acceptRedirectUri(uri).ok).toBe(false))

  it('keeps 2000 characters and refuses one more (B020)', () => {
    const longest = `https://app.example/${'a'.repeat(1980)}`
    expect(acceptRedirectUri(longest).ok).toBe(true)
    expect(acceptRedirectUri(`${longest}a`).ok).toBe(false)
  })
})

const REGISTERED = ['https://app.example/cb', 'http://127.0.0.1/cb', 'com.example.app:/cb']

describe('which one is meant (RFC 9700 §4.1.3, RFC 8252 §7.3)', () => {
  it.each([...REGISTERED, 'http://127.0.0.1:1/cb', 'http://127.0.0.1:65535/cb'])('matches %s (A-04)', (presented) =>
    expect(matchRedirectUri(REGISTERED, presented)).toBeDefined(),
  )

  it.each(
    `/cb/ /cb?x=1 /cb? /cb# /CB /c%62 //cb /cb;x=1 /./cb /x/../cb /%2e/cb /cb%00 /cb%0d%0aSet-Cookie:a=b`
      .split(' ')
      .concat(['/cb ', '/cb\t', ' /cb', '/cb\0']),
  )('does not match the near miss %j on https or loopback (B062)', (path) => {
    expect(matchRedirectUri(REGISTERED, `https://app.example${path}`)).toBeUndefined()
    expect(matchRedirectUri(REGISTERED, `http://127.0.0.1:4000${path}`)).toBeUndefined()
  })

  it.each([
    'https://app.example:443/cb',
    'https://app.example:8443/cb',
    'https://app.example./cb',
    'https://app.example.evil/cb',
    'https://evil@app.example/cb',
    'https://APP.example/cb',
    'https://app.example\\cb',
    'https:app.example/cb',
  ])('does not match another authority, %s (B063)', (presented) =>
    expect(matchRedirectUri(REGISTERED, presented)).toBeUndefined(),
  )

  it.each([
    'http://app.example/cb',
    'https://127.0.0.1/cb',
    'com.example.app://cb',
    'com.example.app:///cb',
    'COM.EXAMPLE.APP:/cb',
    'com.example.app:cb',
  ])('does not match another scheme, %s (B064)', (presented) =>
    expect(matchRedirectUri(REGISTERED, presented)).toBeUndefined(),
  )

  it.each([
    'http://127.0.0.2:4000/cb',
    'http://[::1]:4000/cb',
    'http://localhost:4000/cb',
    'https://127.0.0.1:4000/cb',
    'http://127.1:4000/cb',
    'http://0x7f000001:4000/cb',
    'http://127.0.0.1.:4000/cb',
    'http://127.0.0.1.evil.example/cb',
    'http://127.0.0.1:4000@evil.example/cb',
    'http://127.0.0.1:/cb',
    'http://127.0.0.1:0/cb',
    'http://127.0.0.1:65536/cb',
    'http://127.0.0.1:4000/cb/x',
    'http://127.0.0.1:4000/cb?a=1',
    'http://127.0.0.1:4000/',
    'http://127.0.0.1:4000',
    'HTTP://127.0.0.1:4000/cb',
  ])('does not match another loopback target, %s (B065)', (presented) =>
    expect(matchRedirectUri(REGISTERED, presented)).toBeUndefined(),
  )

  it.each([
    ['http://localhost/callback', 'http://localhost:49152/callback'],
    ['http://localhost:6274/oauth/callback', 'http://localhost/oauth/callback'],
    ['http://[::1]/cb', 'http://[::1]:9/cb'],
    ['http://127.0.0.1:33418/', 'http://127.0.0.1:50001/'],
  ])('lets %s use any port, such as %s (C1, R-42)', (registered, presented) =>
    expect(matchRedirectUri([registered], presented)).toBe(registered),
  )
})

const host = fc.constantFrom('app.example', 'a.b', '127.0.0.1', 'localhost', '[::1]', 'evil.example', '127.0.0.1.x')
const port = fc.oneof(
  fc.constant(''),
  fc.integer({ min: 0, max: 70_000 }).map((value) => `:${value}`),
)
const path = fc.constantFrom('', '/', '/cb', '/cb/', '/CB', '/cb?x=1', '/../cb', '/%63b', '/cb#', '//cb')
const user = fc.constantFrom('', 'a@', '127.0.0.1@')
const uri = fc
  .tuple(fc.constantFrom('http', 'https', 'HTTP', 'cursor'), user, host, port, path)
  .map(([scheme, ...rest]) => `${scheme}://${rest.join('')}`)
const LOOPBACK_PORT = /^(http:\/\/(?:localhost|127\.0\.0\.1|\[::1\]))(?::[0-9]+)?(?=[/?]|$)/

describe('for all URIs', () => {
  it('what matches is identical, or an http loopback URI that differs in its port alone (A-04)', () => {
    fc.assert(
      fc.property(uri, uri, (registered, presented) => {
        const matched = matchRedirectUri([registered], presented)
        if (matched === undefined || registered === presented) return
        expect(registered).toMatch(LOOPBACK_PORT)
        expect(presented.replace(LOOPBACK_PORT, '$1')).toBe(registered.replace(LOOPBACK_PORT, '$1'))
      }),
      { numRuns: 2000 },
    )
  })

  it('what is accepted means the same host to a URL parser as to the eye (B020)', () => {
    const mangled = fc.tuple(uri, fc.string({ maxLength: 3 }), fc.nat()).map(([text, junk, at]) => {
      const index = at % (text.length + 1)
      return text.slice(0, index) + junk + text.slice(index)
    })
    fc.assert(
      fc.property(fc.oneof(uri, mangled, fc.webUrl(), fc.string()), (text) => {
        const accepted = acceptRedirectUri(text)
        if (!accepted.ok || accepted.value.kind === 'private-scheme') return
        const written = /^https?:\/\/(\[[^\]]*\]|[^/?:]*)/.exec(text)?.[1]
        expect(new URL(text).hostname).toBe(written)
        expect(new URL(text).username).toBe('')
      }),
      { numRuns: 2000 },
    )
  })

  it('what matches an acceptable URI is acceptable itself, so that every answer can be sent', () => {
    fc.assert(
      fc.property(uri, uri, (registered, presented) => {
        if (!acceptRedirectUri(registered).ok || matchRedirectUri([registered], presented) === undefined) return
        expect(acceptRedirectUri(presented).ok).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('the answer (RFC 6749 §3.1.2, A-23)', () => {
  it('keeps the registered query and adds each parameter exactly once (B070)', () => {
    const uri = 'https://app.example/cb?a=1&code=x&flag&iss=y&state=z&b=%E4%FF&%73tate=w'
    const answer = withAnswer(uri, { code: 'C', state: 'S', iss: 'https://gw.example' })
    expect(answer).toBe('https://app.example/cb?a=1&flag&b=%E4%FF&code=C&state=S&iss=https%3A%2F%2Fgw.example')
  })

  it('gives state and iss back byte for byte, whatever they hold (A-07, A-09)', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (state) => {
        const sent = new URL(withAnswer('http://127.0.0.1:1/cb?x=1', { code: 'c', state, iss: 'https://gw.example' }))
        expect(sent.searchParams.getAll('state')).toEqual([state])
        expect(sent.searchParams.getAll('iss')).toEqual(['https://gw.example'])
        expect(sent.hash).toBe('')
      }),
    )
  })
})
