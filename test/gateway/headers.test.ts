import type { IncomingHttpHeaders } from 'node:http'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { clientHeaders, upstreamHeaders } from '../../src/gateway/headers.ts'
import { startRig } from './rig.ts'

describe('headers towards the MCP server', () => {
  const END_TO_END = {
    accept: 'application/json, text/event-stream',
    'accept-language': 'de',
    baggage: 'k=v',
    'content-type': 'application/json',
    'last-event-id': '17',
    'mcp-method': 'tools/call',
    'mcp-name': 'Whoami',
    'mcp-param-region': '=?base64?w6Q=?=',
    'mcp-protocol-version': '2026-07-28',
    'mcp-session-id': 'S!~ession',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: 'a=b',
    'user-agent': 'client/1',
    'x-anything-else': 'Case Kept',
  }

  it('passes every end-to-end header unchanged (P-10, P-11, P-16)', () => {
    expect(upstreamHeaders({ ...END_TO_END }, {})).toMatchObject(END_TO_END)
  })

  it.each([
    ...['authorization', 'cookie', 'dpop', 'proxy-authorization', 'origin', 'referer', 'forwarded', 'expect', 'host'],
    ...['x-forwarded-for', 'x-forwarded-user', 'x-forwarded', 'x-real-ip', 'x-original-url', 'x-rewrite-url'],
    ...['x-http-method-override', 'remote-user', 'x-remote-user', 'x-user', 'x-user-email', 'x-auth-request-user'],
    ...[
      'x-authenticated-userid',
      'x-client-ip',
      'true-client-ip',
      'x-client-cert',
      'ssl-client-verify',
      'cf-access-jwt',
    ],
    ...['fastly-client-ip', 'x-envoy-internal', 'x-goog-iap-jwt-assertion', 'x-amzn-oidc-data', 'x-amz-cf-id'],
    ...['x-ms-client-principal-id', 'x-internal-token', 'x-gatehouse-user', 'tailscale-user-login', 'sec-fetch-site'],
    ...['impersonate-user', 'sudo', 'x-hasura-role', 'x-scope-orgid', 'x-pomerium-jwt-assertion', 'oidc-claim-sub'],
    ...['x-apigateway-api-userinfo', 'x-endpoint-api-userinfo', 'x-jwt-payload', 'x-email', 'x-groups', 'x-roles'],
    ...['x-credential-identifier', 'x-anonymous-consumer', 'x-vouch-user', 'x-okta-user', 'teleport-jwt-assertion'],
    ...['x-teleport-user', 'x-amzn-requestid', 'x-api-key', 'private-token', 'x-access-token', 'x-id-token'],
    ...['x-serverless-authorization', 'x-github-token', 'x-gitlab-token', 'job-token', 'deploy-token'],
    ...['priority', 'connection', 'keep-alive', 'te', 'trailer', 'upgrade', 'transfer-encoding', 'content-length'],
  ])('drops %s (P-05, P-06, P-08, B200, B202)', (name) => {
    expect(upstreamHeaders({ [name]: 'forged', accept: 'a' }, {})).toEqual({
      accept: 'a',
      'accept-encoding': 'identity',
      via: '1.1 gatehouse',
    })
  })

  it.each(['x_forwarded_user', 'x-forwarded_user', 'authorization_', 'mcp_session_id', 'remote.user', 'x~user'])(
    'drops %s, which a server could fold into another name (B199)',
    (name) => {
      expect(upstreamHeaders({ [name]: 'forged' }, {})).not.toHaveProperty([name])
    },
  )

  it.each(['x_tenant', 'x.tenant'])(
    'drops x-tenant where %s is injected, which a server could fold into it (B199)',
    (name) => {
      const headers = upstreamHeaders({ 'x-tenant': 'forged', 'x-tenants': 'kept' }, { [name]: 'ours' })
      expect(headers).toMatchObject({ [name]: 'ours', 'x-tenants': 'kept' })
      expect(headers).not.toHaveProperty('x-tenant')
    },
  )

  it('drops what Connection nominates and keeps the rest (RFC 9110 §7.6.1)', () => {
    const headers = upstreamHeaders({ connection: 'close, X-Hop', 'x-hop': '1', 'x-kept': '2' }, {})
    expect(headers).not.toHaveProperty('x-hop')
    expect(headers).toHaveProperty('x-kept', '2')
  })

  it.each(['x-emails-per-page', 'x-rolesets', 'sudoku', 'x-api-keys-page', 'x-goods', 'teleportation'])(
    'passes %s, which only begins like one of them (P-10)',
    (name) => {
      expect(upstreamHeaders({ [name]: 'kept' }, {})).toHaveProperty([name], 'kept')
    },
  )

  it('adds injected headers last, so that nobody else can say them (P-05)', () => {
    const headers = upstreamHeaders(
      { 'x-api-key': 'mine', authorization: 'Bearer mine' },
      { 'x-api-key': 'ours', authorization: 'Bearer ours' },
    )
    expect(headers).toMatchObject({ 'x-api-key': 'ours', authorization: 'Bearer ours' })
  })

  it('lets no name through that could be read as Authorization, whatever stands around it (B199)', () => {
    const separators = fc.constantFrom('_', '.', ' ', '-', '~', '')
    fc.assert(
      fc.property(separators, separators, (before, after) => {
        const name = `${before}authorization${after}`
        const passed = name in upstreamHeaders({ [name]: 'Bearer forged' }, {})
        // `-authorization` and `authorization-` are other names to everybody.
        expect(passed).toBe(/^[a-z-]+$/.test(name) && name !== 'authorization')
      }),
    )
  })

  it('asks for no compression (P-17)', () => {
    expect(upstreamHeaders({ 'accept-encoding': 'gzip, br' }, {})['accept-encoding']).toBe('identity')
  })

  it('lets forged identities from a real client never reach the server, and its MCP headers always (P-06, P-11)', async () => {
    let seen: string[] = []
    const rig = await startRig({
      upstream: (request, response) => {
        seen = request.rawHeaders
        response.end()
      },
      injected: { authorization: 'Bearer upstream' },
    })
    await fetch(rig.url, {
      headers: {
        ...{ authorization: 'Bearer client', cookie: 'a=b', 'X-Forwarded-User': 'root', x_user: 'root' },
        ...{ Origin: 'https://evil.example', 'Mcp-Session-Id': 'AbC', 'X-Real-IP': '10.0.0.1' },
      },
    })
    const lines = Object.fromEntries(
      seen.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), seen[i + 1]]] : [])),
    )
    expect(lines).toMatchObject({
      host: `127.0.0.1:${rig.upstreamPort}`,
      authorization: 'Bearer upstream',
      'mcp-session-id': 'AbC',
    })
    expect(seen.filter((name) => name.toLowerCase() === 'authorization')).toHaveLength(1)
    for (const name of ['cookie', 'x-forwarded-user', 'x_user', 'origin', 'x-real-ip']) {
      expect(lines).not.toHaveProperty([name])
    }
  })
})

describe('headers towards the client', () => {
  it.each([
    ...['set-cookie', 'www-authenticate', 'proxy-authenticate', 'server', 'x-powered-by', 'via', 'alt-svc', 'location'],
    ...['strict-transport-security', 'clear-site-data', 'access-control-allow-origin', 'refresh', 'nel', 'report-to'],
    ...[
      'reporting-endpoints',
      'x-frame-options',
      'content-security-policy-report-only',
      'x-accel-redirect',
      'x-sendfile',
    ],
    ...['connection', 'keep-alive', 'transfer-encoding', 'trailer', 'service-worker-allowed', 'content-location'],
  ])('drops %s (P-25)', (name) => {
    expect(clientHeaders({ [name]: 'internal', 'content-type': 'application/json' }, {})).not.toHaveProperty([name])
  })

  it('drops what Connection nominates, in however many lines, and keeps the rest (RFC 9110 §5.3, §7.6.1)', async () => {
    const rig = await startRig({
      upstream: (_, response) => {
        response.writeHead(200, [
          ...['connection', 'x-hop', 'connection', 'keep-alive, X-Other-Hop'],
          ...['x-hop', '1', 'x-other-hop', '2', 'x-kept', '3'],
        ])
        response.end('{}')
      },
    })
    const answer = await fetch(rig.url)
    expect(answer.status).toBe(200)
    expect([...answer.headers.keys()].filter((name) => /^x-(hop|other|kept)/.test(name))).toEqual(['x-kept'])
  })

  it('passes what the protocol needs (P-45, C37)', () => {
    const kept = {
      'mcp-session-id': 'S',
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'private, max-age=1',
      'retry-after': '7',
      allow: 'POST',
    }
    expect(clientHeaders({ ...kept }, { 'x-request-id': 'r' })).toEqual({
      ...kept,
      'x-content-type-options': 'nosniff',
      'x-request-id': 'r',
    })
  })

  it.each([
    [undefined, 'Origin'],
    ['Accept', ['Accept', 'Origin']],
    [
      ['Accept', 'Mcp-Session-Id'],
      ['Accept', 'Mcp-Session-Id', 'Origin'],
    ],
  ])('varies by what the server names (%j) and by Origin (RFC 9111 §4.1, B269)', (vary, both) => {
    expect(clientHeaders({ vary } as IncomingHttpHeaders, { vary: 'Origin' }).vary).toEqual(both)
  })

  it('keeps answers out of caches unless the server decided (P-88, P-89)', () => {
    expect(clientHeaders({ 'content-type': 'application/json' }, {})['cache-control']).toBe('no-store')
  })

  it('tells everybody in between not to buffer an event stream (P-61)', () => {
    expect(clientHeaders({ 'content-type': 'text/event-stream; charset=utf-8', 'content-length': '9' }, {})).toEqual({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    })
  })

  it.each(['text/html', 'image/svg+xml', 'text/javascript', 'application/jsonp', 'text/event-streamx', undefined])(
    'puts %s into a sandbox (B211)',
    (contentType) => {
      const headers = clientHeaders(contentType === undefined ? {} : { 'content-type': contentType }, {})
      expect(headers['content-security-policy']).toBe("sandbox; default-src 'none'")
    },
  )

  it('lets our own headers win over those of the server', () => {
    const headers = clientHeaders({ 'x-request-id': 'theirs' }, { 'x-request-id': 'ours' })
    expect(headers['x-request-id']).toBe('ours')
  })

  it('keeps cookies, challenges and internal locations of a real server away (P-25, S-10)', async () => {
    const rig = await startRig({
      upstream: (_, response) => {
        response.setHeader('Set-Cookie', ['a=1', 'b=2'])
        response.writeHead(403, {
          'WWW-Authenticate': 'Bearer resource_metadata="http://internal/prm"',
          Location: 'http://internal/',
          'Content-Type': 'application/json',
          'Mcp-Session-Id': 'S',
        })
        response.end('{"error":"insufficient_scope"}')
      },
    })
    const answer = await fetch(rig.url)
    expect(answer.status).toBe(403)
    expect(await answer.json()).toEqual({ error: 'insufficient_scope' })
    expect(answer.headers.get('mcp-session-id')).toBe('S')
    expect(answer.headers.get('x-request-id')).toBe('r1')
    for (const name of ['set-cookie', 'www-authenticate', 'location']) expect(answer.headers.has(name)).toBe(false)
  })
})
