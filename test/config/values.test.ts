import { describe, expect, it } from 'vitest'
import { BASE, configOf, edit, HASH, KEY, problemOf, problemsOf } from './base.ts'

/** Each replaces one thing of the base and must be the only problem, at that path. */
const REFUSED: readonly (readonly [rule: string, path: string, from: string, to: string, problem: RegExp])[] = [
  ['http off loopback (X-08, X-13)', 'public_url', 'https://mcp.example.com', 'http://mcp.example.com', /http/],
  ['http on 0.0.0.0', 'public_url', 'https://mcp.example.com', 'http://0.0.0.0:8080', /http/],
  ['a trailing slash (B290)', 'public_url', 'https://mcp.example.com', 'https://mcp.example.com/', /slash/],
  ['a path', 'public_url', 'https://mcp.example.com', 'https://mcp.example.com/mcp', /path/],
  ['a query', 'public_url', 'https://mcp.example.com', 'https://mcp.example.com?x', /query/],
  ['a fragment', 'public_url', 'https://mcp.example.com', 'https://mcp.example.com#x', /fragment/],
  ['user information', 'public_url', 'https://mcp.example.com', 'https://u:p@mcp.example.com', /password/],
  ['upper case', 'public_url', 'https://mcp.example.com', 'https://MCP.example.com', /canonical/],
  ['the default port', 'public_url', 'https://mcp.example.com', 'https://mcp.example.com:443', /canonical/],
  [
    'a host that breaks a quoted parameter',
    'public_url',
    'https://mcp.example.com',
    "https://a'b,c.example",
    /canonical/,
  ],
  ['another scheme', 'public_url', 'https://mcp.example.com', 'ftp://mcp.example.com', /http or https/],
  ['a number', 'public_url', 'https://mcp.example.com', '8080', /must be text/],
  ['a port alone', 'listen', 'listen: 127.0.0.1:8080', 'listen: 8080', /must be text/],
  ['no host', 'listen', 'listen: 127.0.0.1:8080', 'listen: ":8080"', /not an address/],
  ['a port beyond 65535', 'listen', 'listen: 127.0.0.1:8080', 'listen: 127.0.0.1:65536', /port/],
  ['brackets around a name', 'listen', 'listen: 127.0.0.1:8080', 'listen: "[localhost]:8080"', /IPv6/],
  ['an interface of IPv6', 'listen', 'listen: 127.0.0.1:8080', 'listen: "[fe80::1%eth0]:8080"', /IPv6/],
  ['a bare IPv6 address', 'listen', 'listen: 127.0.0.1:8080', 'listen: "::1:8080"', /not an address/],
  ['operations on all of IPv4 (X-18)', 'operations.listen', '127.0.0.1:9090', '0.0.0.0:9090', /every interface/],
  ['operations on all of IPv6 (X-18)', 'operations.listen', '127.0.0.1:9090', '"[::0]:9090"', /every interface/],
  ['operations where listen is', 'operations.listen', '127.0.0.1:9090', '127.0.0.1:8080', /same address/],
  ['everybody as proxy', 'trusted_proxies[0]', '10.0.0.0/8', '0.0.0.0/0', /almost anybody/],
  ['everybody as proxy, IPv6', 'trusted_proxies[0]', '10.0.0.0/8', '"::/0"', /almost anybody/],
  ['all of IPv4 in IPv6 as proxy', 'trusted_proxies[0]', '10.0.0.0/8', '"::ffff:0:0/96"', /almost anybody/],
  ['half of IPv4 as proxy', 'trusted_proxies[0]', '10.0.0.0/8', '128.0.0.0/1', /almost anybody/],
  ['a proxy that is no address', 'trusted_proxies[0]', '10.0.0.0/8', 'proxy.example', /not an address/],
  ['a prefix that does not exist', 'trusted_proxies[0]', '10.0.0.0/8', '10.0.0.0/33', /prefix/],
  ['trusting without a list (B290)', 'trusted_proxies', '[10.0.0.0/8]', 'true', /must be a list/],
  ['* as origin (X-13)', 'allowed_origins[0]', 'https://app.example.com', '"*"', /every web page/],
  ['null as origin (X-13)', 'allowed_origins[0]', 'https://app.example.com', '"null"', /every web page/],
  [
    'an origin with a path',
    'allowed_origins[0]',
    'https://app.example.com',
    'https://app.example.com/',
    /not an origin/,
  ],
  ['an unknown database', 'database', 'sqlite:data/gatehouse.db', 'mysql:x', /not a database/],
  ['a database in memory', 'database', 'sqlite:data/gatehouse.db', '"sqlite::memory:"', /forget/],
  ['a database as URL', 'database', 'sqlite:data/gatehouse.db', 'sqlite:///x.db', /URL/],
  ['a database without file', 'database', 'sqlite:data/gatehouse.db', '"sqlite:"', /file/],
  ['a short key (B284)', 'encryption_keys[0]', KEY, 'mgh_key_abc', /32 bytes/],
  ['a default key (B284)', 'encryption_keys[0]', KEY, 'changeme', /32 bytes/],
  ['a placeholder key (B284)', 'encryption_keys[0]', KEY, `mgh_key_${'A'.repeat(43)}`, /placeholder/],
  [
    'a counted-up key (B284)',
    'encryption_keys[0]',
    KEY,
    Buffer.from([...Array(32).keys()]).toString('hex'),
    /placeholder/,
  ],
  ['the same key in two forms', 'encryption_keys[1]', `- ${KEY}`, `- ${KEY}\n  - ${KEY.slice(8)}`, /same key/],
  ['an http issuer', 'providers.corp.issuer', 'https://login', 'http://login', /http/],
  [
    'an issuer that is the metadata',
    'providers.corp.issuer',
    'realms/main',
    '.well-known/openid-configuration',
    /metadata/,
  ],
  [
    'an issuer that is ourselves',
    'providers.corp.issuer',
    'https://login.example.com/realms/main',
    'https://mcp.example.com/x',
    /our own/,
  ],
  ['scopes without openid', 'providers.corp.scopes', '[openid, email]', '[email]', /openid/],
  ['two scopes in one', 'providers.corp.scopes[1]', '[openid, email]', '[openid, "email profile"]', /not a scope/],
  ['an empty client secret (B290)', 'providers.corp.client_secret', 'corp-client-secret', '""', /not a client secret/],
  [
    'a provider name with a slash',
    'providers.a/b',
    'providers:\n',
    `providers:\n  a/b: { type: password, users: { x: "${HASH}" } }\n`,
    /provider name/,
  ],
  ['no users', 'providers.home.users', `users:\n      alice: "${HASH}"`, 'users: {}', /nobody/],
  ['a plain password', 'providers.home.users.alice', HASH, 'hunter2hunter2', /plain password/],
  ['a hash that costs 2 GiB', 'providers.home.users.alice', 'ln=17', 'ln=21', /damaged|expensive/],
  ['a user name with a bidirectional override', 'providers.home.users.…', 'alice', '"ali\u202ece"', /user name/],
  [
    'an upstream with a password',
    'routes./github.upstream',
    'http://127.0.0.1:8082',
    'http://u:p@127.0.0.1:8082',
    /password/,
  ],
  ['an upstream with a query', 'routes./github.upstream', '8082/mcp', '8082/mcp?key=x', /query/],
  ['an upstream with a fragment', 'routes./github.upstream', '8082/mcp', '8082/mcp#x', /fragment/],
  ['an upstream of another scheme', 'routes./github.upstream', 'http://127.0.0.1:8082', 'unix://x', /http or https/],
  [
    'an upstream that is ourselves (X-13)',
    'routes./wiki.upstream',
    'https://wiki.example.com',
    'https://mcp.example.com',
    /public_url/,
  ],
  [
    'an upstream at our listen address (X-14)',
    'routes./github.upstream',
    '127.0.0.1:8082',
    'localhost:8080',
    /listen address/,
  ],
  ['an upstream at our operations', 'routes./github.upstream', '127.0.0.1:8082', '127.0.0.1:9090', /operations/],
  ['an unknown provider', 'routes./notes.sign_in', 'sign_in: home', 'sign_in: hom', /does not exist/],
  [
    'allow that lists nobody',
    'routes./github.allow',
    'allow:\n      email_domains: [example.com]',
    'allow: {}',
    /lock everyone out/,
  ],
  ['an empty list of allow', 'routes./github.allow.email_domains', '[example.com]', '[]', /nobody/],
  ['everybody as a user', 'routes./github.allow.users[0]', 'email_domains: [example.com]', 'users: ["*"]', /anybody/],
  ['a wildcard domain', 'routes./github.allow.email_domains[0]', '[example.com]', '["*.example.com"]', /domain/],
  ['an address as domain', 'routes./github.allow.email_domains[0]', '[example.com]', '[bob@example.com]', /domain/],
  [
    'groups of a password provider',
    'routes./notes.allow',
    'sign_in: home',
    'sign_in: home\n    allow: { groups: [x] }',
    /nobody/,
  ],
  [
    'tokens of a password provider',
    'routes./notes.credential.kind',
    'kind: none }\n    inject:\n      X-User: "{user.sub}"',
    'kind: provider-token }',
    /has none/,
  ],
  ['an unknown kind', 'routes./notes.credential.kind', 'kind: none', 'kind: nothing', /possible values/],
  [
    'a key that cannot be a header',
    'routes./github.credential.value',
    'value: shared-pat',
    'value: "a\\nb"',
    /header value/,
  ],
  [
    'Bearer twice',
    'routes./github.credential.value',
    'value: shared-pat\n    inject:\n      X-Api-Key: "{credential}"',
    'value: Bearer x',
    /Bearer/,
  ],
  ['a header that is no token', 'routes./github.inject.X Api', 'X-Api-Key', '"X Api"', /header name/],
  [
    'a header twice',
    'routes./github.inject.x-API-key',
    'X-Api-Key: "{credential}"',
    'X-Api-Key: "{credential}"\n      x-API-key: b',
    /same header/,
  ],
  ['an unknown variable', 'routes./notes.inject.X-User', '{user.sub}', '{user.name}', /template/],
  ['{credential} without one', 'routes./notes.inject.X-User', '{user.sub}', '{credential}', /credential is none/],
  ['a credential that goes nowhere', 'routes./github.inject', '"{credential}"', '"x"', /never get it/],
  ['an empty title', 'routes./notes.title', 'sign_in: home', 'sign_in: home\n    title: ""', /title/],
  ['unknown registration', 'clients.registration', 'registration: open', 'registration: yes', /possible values/],
  [
    'a wildcard redirect (X-13)',
    'clients.static[0].redirect_uris[0]',
    'http://localhost:6274/oauth/callback',
    'https://*.example.com/cb',
    /wildcard/,
  ],
  [
    'an http redirect off loopback',
    'clients.static[0].redirect_uris[0]',
    'http://localhost:6274/oauth/callback',
    'http://example.com/cb',
    /trusted/,
  ],
  ['no redirect', 'clients.static[0].redirect_uris', '["http://localhost:6274/oauth/callback"]', '[]', /empty/],
  [
    'a client id that is an address',
    'clients.static[0].client_id',
    'client_id: inspector',
    'client_id: https://inspector.example',
    /metadata document/,
  ],
  [
    'a secret without method',
    'clients.static[0].client_secret',
    '      token_endpoint_auth_method: client_secret_basic\n',
    '',
    /never have to show/,
  ],
  ['a secret with method none', 'clients.static[0].client_secret', 'client_secret_basic', 'none', /never have to show/],
  [
    'a method without secret',
    'clients.static[0].token_endpoint_auth_method',
    '      client_secret: inspector-secret-of-32-characters\n',
    '',
    /not there/,
  ],
  [
    'a short client secret',
    'clients.static[0].client_secret',
    'inspector-secret-of-32-characters',
    'short',
    /too short/,
  ],
  [
    'a client id twice',
    'clients.static[1].client_id',
    '  static:\n',
    '  static:\n    - { client_id: inspector, redirect_uris: ["https://a.example/cb"] }\n',
    /already taken/,
  ],
  ['a zero TTL (B290)', 'tokens.access_ttl', 'access_ttl: 1h', 'access_ttl: 0s', /longer than nothing/],
  ['a negative TTL (B290)', 'tokens.access_ttl', 'access_ttl: 1h', 'access_ttl: -1h', /not a duration/],
  ['a TTL that is no number (B290)', 'tokens.access_ttl', 'access_ttl: 1h', 'access_ttl: .nan', /must be text/],
  ['a TTL without unit', 'tokens.access_ttl', 'access_ttl: 1h', 'access_ttl: 3600', /must be text/],
  ['a TTL with a space (B290)', 'tokens.access_ttl', 'access_ttl: 1h', 'access_ttl: "1h "', /not a duration/],
  ['a TTL with a fraction', 'tokens.access_ttl', 'access_ttl: 1h', 'access_ttl: 1.5h', /not a duration/],
  ['an access token for days', 'tokens.access_ttl', 'access_ttl: 1h', 'access_ttl: 25h', /longer than 24h/],
  [
    'a grace beyond its cap (B290)',
    'tokens.refresh_grace',
    'refresh_grace: 60s',
    'refresh_grace: 11m',
    /longer than 10m/,
  ],
  ['a refresh token for ever', 'tokens.refresh_ttl', 'refresh_ttl: 180d', 'refresh_ttl: 366d', /longer than 365d/],
  [
    'idling longer than living',
    'tokens.refresh_idle_ttl',
    'refresh_idle_ttl: 30d',
    'refresh_idle_ttl: 181d',
    /longer than refresh_ttl/,
  ],
]

describe('values of gateway.yaml', () => {
  it('accepts the base of all the cases below', () => {
    expect(configOf(BASE).publicUrl).toBe('https://mcp.example.com')
  })

  it.each(REFUSED)('refuses %s', (_rule, path, from, to, problem) => {
    const found = problemOf(edit([from, to]))
    expect(found).toMatchObject({ path, problem: expect.stringMatching(problem) })
    expect(found.fix).not.toBe('')
  })

  it.each([
    'Host',
    'Connection',
    'Content-Length',
    'Transfer-Encoding',
    'TE',
    'Trailer',
    'Upgrade',
    'Keep-Alive',
    'Expect',
    'Proxy-Authorization',
    'Content-Type',
    'Accept',
    'Mcp-Session-Id',
    'mcp-protocol-version',
    'Last-Event-ID',
  ])('refuses to inject %s, which the connection or MCP needs (RFC 9110 §7.6.1)', (name) => {
    expect(problemOf(edit(['X-Api-Key', name])).path).toBe(`routes./github.inject.${name}`)
  })

  it.each(['Authorization', 'X-Forwarded-User', 'Cookie', 'PRIVATE-TOKEN'])('injects %s', (name) => {
    const [route] = configOf(edit(['X-Api-Key', name])).routes
    expect(route?.inject.map((header) => header.name)).toEqual([name.toLowerCase()])
  })

  it.each([
    '/',
    'github',
    '/github/',
    '/a//b',
    '/./a',
    '/a/..',
    '/a%2fb',
    '/a b',
    '/ä',
    '/a?b',
    '/a*',
    '/.well-known',
    '/.well-known/x',
    '/register',
    '/authorize',
    '/consent/x',
    '/callback',
    '/callback/corp',
    '/connect',
    '/token',
    '/Token',
    '/revoke',
    '/introspect',
  ])('refuses %s as a route (P-28, B290)', (path) => {
    expect(problemsOf(edit(['  /notes:', `  "${path}":`])).map(({ line }) => line)).toEqual([38])
  })

  it.each(['/a', '/team/github', '/tokens', '/v1.2/x_y~z-0', '/a/token'])('accepts %s as a route', (path) => {
    expect(configOf(edit(['/notes', path])).routes.at(-1)).toMatchObject({
      path,
      resource: `https://mcp.example.com${path}`,
      title: path.slice(1),
    })
  })

  it('refuses routes that differ only in upper and lower case, and exact twins', () => {
    expect(problemOf(edit(['/notes', '/GitHub'])).problem).toMatch(/upper and lower case/)
    expect(problemOf(edit(['/notes', '/github']))).toMatchObject({
      line: 38,
      problem: expect.stringMatching(/line 22/),
    })
  })

  it.each(['http://localhost:8080', 'http://127.0.0.1:8080', 'http://[::1]:8080', 'https://[2001:db8::1]:8443'])(
    'accepts %s as public_url',
    (url) => {
      const text = edit(['127.0.0.1:8080', '127.0.0.1:7000'], ['https://mcp.example.com', url])
      expect(configOf(text).publicUrl).toBe(url)
    },
  )

  it.each([
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['"[::1]:8081"', { host: '::1', port: 8081 }],
    ['localhost:8081', { host: 'localhost', port: 8081 }],
    ['0.0.0.0:8081', { host: '0.0.0.0', port: 8081 }],
  ])('listens on %s', (text, address) => {
    expect(configOf(edit(['listen: 127.0.0.1:8080', `listen: ${text}`])).listen).toEqual(address)
  })

  it('sees that a wildcard listener takes the port of operations and of an upstream too', () => {
    const twice = edit(['listen: 127.0.0.1:8080', 'listen: 0.0.0.0:9090'])
    expect(problemOf(twice).path).toBe('operations.listen')
    const loop = edit(['listen: 127.0.0.1:8080', 'listen: 0.0.0.0:8082'])
    expect(problemOf(loop).path).toBe('routes./github.upstream')
  })

  it.each([
    ['http', 80, 443],
    ['https', 443, 80],
  ])(
    'sees that %s without a port leads to a listener on port %i, and not to one on %i (X-14)',
    (scheme, port, other) => {
      const upstream = ['http://127.0.0.1:8082/mcp', `${scheme}://127.0.0.1/mcp`] as const
      const listening = (at: number) => edit(upstream, ['listen: 127.0.0.1:8080', `listen: 127.0.0.1:${at}`])
      expect(problemOf(listening(port)).path).toBe('routes./github.upstream')
      expect(configOf(listening(other)).listen.port).toBe(other)
    },
  )

  it('warns about an http upstream on a public name, and not about one on a private network', () => {
    const [warning, ...more] = configOf(edit(['http://127.0.0.1:8082', 'http://mcp.example.org'])).warnings
    expect(warning).toMatch(/^routes\.\/github\.upstream is http/)
    expect(more).toEqual([])
    for (const host of ['10.1.2.3', 'github-mcp', 'mcp.svc', 'mcp.ns.svc.cluster.local', 'a.internal', '[fd00::1]'])
      expect(configOf(edit(['http://127.0.0.1:8082', `http://${host}:8082`])).warnings, host).toEqual([])
  })

  it('warns about a provider that no route uses', () => {
    expect(configOf(edit(['sign_in: home', 'sign_in: corp'])).warnings).toEqual([
      expect.stringMatching(/^providers\.home is not used/),
    ])
  })
})
