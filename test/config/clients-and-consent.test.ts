import { describe, expect, it } from 'vitest'
import { configOf, edit, problemOf } from './base.ts'

describe('registration: approved', () => {
  const approved = (entries: string) =>
    edit(['registration: open', `registration: approved\n  approved_redirects: ${entries}`])

  it('takes redirect URIs, origins and schemes (RFC 7591 §5)', () => {
    const entries = ['https://claude.ai', 'http://localhost', 'cursor:', 'https://app.example/cb?x=1']
    const { clients } = configOf(approved(JSON.stringify(entries)))
    expect(clients).toMatchObject({ registration: 'approved', approvedRedirects: entries })
  })

  it.each(['"*"', '"https://claude.ai/"', '"http://evil.example"', '"javascript:"', '"https:"', '"claude.ai"'])(
    'refuses %s as an entry (X-13)',
    (entry) => {
      expect(problemOf(approved(`[${entry}]`)).path).toBe('clients.approved_redirects[0]')
    },
  )

  it('refuses approval without a list, and a list without approval (X-13)', () => {
    expect(problemOf(edit(['registration: open', 'registration: approved'])).path).toBe('clients.registration')
    const idle = edit(['registration: open', 'registration: open\n  approved_redirects: ["https://claude.ai"]'])
    expect(problemOf(idle).path).toBe('clients.approved_redirects')
  })
})

describe('consent.remember', () => {
  it('is never, or a duration (A-38)', () => {
    expect(configOf(edit()).consent).toEqual({})
    expect(configOf(edit(['remember: never', 'remember: 12h'])).consent).toEqual({ rememberMs: 43_200_000 })
  })

  it.each(['always', '0s', '91d', 'true'])('refuses %s (A-38)', (value) => {
    expect(problemOf(edit(['remember: never', `remember: ${value}`])).path).toBe('consent.remember')
  })
})

describe('audit.destination', () => {
  const to = (text: string) => edit(['tokens:', `audit: { destination: "${text}" }\ntokens:`])

  it('is stdout, or a file of its own (X-16)', () => {
    expect(configOf(to('stdout')).audit).toMatchObject({ destination: { kind: 'log' } })
    expect(configOf(to('file:data/audit.jsonl')).audit).toMatchObject({
      destination: { kind: 'file', file: 'data/audit.jsonl' },
    })
  })

  it.each(['syslog', 'file:', 'file://host/x', '/var/log/audit'])('refuses %s (X-16)', (text) => {
    expect(problemOf(to(text)).path).toBe('audit.destination')
  })
})

describe('clients.metadata_documents', () => {
  const documents = (text: string) => edit(['registration: open', `registration: open\n  metadata_documents: ${text}`])

  it('is on for any public host unless the file says otherwise (R-30, R-46)', () => {
    expect(configOf(edit()).clients.metadataDocuments).toEqual({ enabled: true, allowHosts: [] })
    expect(configOf(documents('{ enabled: false }')).clients.metadataDocuments.enabled).toBe(false)
    const hosts = ['claude.ai', 'app.example:8443', 'localhost', '127.0.0.1', '[::1]']
    expect(configOf(documents(`{ allow_hosts: ${JSON.stringify(hosts)} }`)).clients.metadataDocuments).toEqual({
      enabled: true,
      allowHosts: hosts,
    })
  })

  it.each([
    'https://claude.ai',
    'claude.ai/',
    'CLAUDE.ai',
    'claude.ai.',
    '*.claude.ai',
    'claude.ai:443',
    '127.1',
    'a b',
    '',
  ])('refuses %j as a host (X-13)', (host) => {
    expect(problemOf(documents(`{ allow_hosts: [${JSON.stringify(host)}] }`)).path).toBe(
      'clients.metadata_documents.allow_hosts[0]',
    )
  })
})

describe('declared clients with keys (R-60, T-05)', () => {
  const JWK = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid: 'a' }
  const declared = (members: Record<string, unknown>) => {
    const client = { client_id: 'bot', redirect_uris: ['https://bot.example/cb'], ...members }
    return edit(['static:', `static:\n    - ${JSON.stringify(client)}`])
  }
  const clientOf = (members: Record<string, unknown>) => configOf(declared(members)).clients.static[0]

  it('take public keys, or the address where they are published', () => {
    const method = { token_endpoint_auth_method: 'private_key_jwt' }
    expect(clientOf({ ...method, jwks: { keys: [JWK] } })?.keys).toEqual({ kind: 'jwks', jwks: [JWK] })
    const url = 'https://bot.example/jwks.json'
    expect(clientOf({ ...method, jwks_uri: url })?.keys).toEqual({ kind: 'jwks_uri', url })
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['private_key_jwt without keys', { token_endpoint_auth_method: 'private_key_jwt' }, 'token_endpoint_auth_method'],
    ['keys that nobody asks for', { jwks: { keys: [JWK] } }, 'jwks'],
    [
      'both kinds of keys',
      { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [JWK] }, jwks_uri: 'https://bot.example/k' },
      'jwks_uri',
    ],
    ['a private key', { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [{ ...JWK, d: 'd' }] } }, 'jwks'],
    ['keys over http', { token_endpoint_auth_method: 'private_key_jwt', jwks_uri: 'http://bot.example/k' }, 'jwks_uri'],
    [
      'a secret besides keys',
      {
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [JWK] },
        client_secret: 'a-secret-of-32-characters-for-bots',
      },
      'client_secret',
    ],
  ])('refuse %s (X-13)', (_what, members, member) => {
    expect(problemOf(declared(members)).path).toBe(`clients.static[0].${member}`)
  })
})

describe('pinned clients (R-40)', () => {
  const pinned = (clientId: string) =>
    edit([
      'static:',
      `static:\n    - { client_id: ${JSON.stringify(clientId)}, redirect_uris: ["https://bot.example/cb"] }`,
    ])

  it('are declared under the address of their document', () => {
    const clientId = 'https://bot.example/oauth/client.json'
    expect(configOf(pinned(clientId)).clients.static[0]).toMatchObject({ clientId })
  })

  it.each([
    'http://bot.example/client',
    'https://bot.example',
    'https://bot.example/a/../b',
    'HTTPS://bot.example/client',
  ])('cannot have the address %s (R-31)', (clientId) =>
    expect(problemOf(pinned(clientId)).path).toBe('clients.static[0].client_id'),
  )
})
