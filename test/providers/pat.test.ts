import type { RequestListener } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { parseHeaderTemplate } from '../../src/domain/header-template.ts'
import { Secret } from '../../src/domain/secret.ts'
import { probePat } from '../../src/providers/pat.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const TEMPLATE = parseHeaderTemplate('Bearer {credential}')

/** What comes of a token whose issuer answers this. */
async function probed(body: object) {
  if (!TEMPLATE.ok) throw new Error('no template')
  const probe = {
    url: 'https://api.example.com/me',
    headers: [{ name: 'authorization', template: TEMPLATE.value }],
    account: 'login',
    expires: 'expires',
  }
  return probePat(probe, new Secret('token-0123456789'), async () => Response.json(body))
}

/** What is read as the end of a token whose issuer answers this. */
async function endOf(expires: unknown): Promise<string | undefined> {
  const outcome = await probed({ login: 'alice', expires })
  if (outcome.outcome !== 'accepted') throw new Error(JSON.stringify(outcome))
  return outcome.expiresAt === undefined ? undefined : new Date(outcome.expiresAt).toISOString()
}

describe('the end of a token, as its issuer tells it', () => {
  it.each([
    ['as GitHub writes it', '2031-02-03 04:05:06 UTC', '2031-02-03T04:05:06.000Z'],
    ['as a day', '2031-02-03', '2031-02-03T00:00:00.000Z'],
    ['in ISO 8601', '2031-02-03T04:05:06+01:00', '2031-02-03T03:05:06.000Z'],
    ['as an HTTP date', 'Mon, 03 Feb 2031 04:05:06 GMT', '2031-02-03T04:05:06.000Z'],
    ['in seconds since 1970', 1_927_857_906, '2031-02-03T04:05:06.000Z'],
    ['in seconds since 1970 as text', '1927857906', '2031-02-03T04:05:06.000Z'],
  ])('is understood %s', async (_how, written, read) => {
    expect(await endOf(written)).toBe(read)
  })

  it.each([
    ['nothing', null],
    ['a word', 'never'],
    ['a small number', 3600],
  ])('is unknown when it is %s, and the token is believed all the same', async (_what, written) => {
    expect(await endOf(written)).toBeUndefined()
  })
})

describe('the account of a token', () => {
  it.each([
    ['a name', 'alice', 'alice'],
    ['a number', 583231, '583231'],
  ])('may be %s', async (_what, login, account) => {
    expect(await probed({ login })).toMatchObject({ outcome: 'accepted', account })
  })

  it.each([
    ['is missing', {}],
    ['is nothing', { login: null }],
    ['is empty', { login: '' }],
    ['is blank', { login: ' \t ' }],
    ['is a list', { login: ['alice'] }],
  ])('that %s proves nothing, so that nothing is kept', async (_what, body) => {
    expect(await probed(body)).toEqual({ outcome: 'unavailable', reason: 'no_account' })
  })
})

describe('a server that is to try a token', () => {
  const servers: PlainServer[] = []
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.close()))
  })

  async function start(listener: RequestListener): Promise<PlainServer> {
    const server = await startPlainServer(listener)
    servers.push(server)
    return server
  }

  async function probedAt({ url }: PlainServer) {
    if (!TEMPLATE.ok) throw new Error('no template')
    const headers = [{ name: 'authorization', template: TEMPLATE.value }]
    return probePat({ url, headers, account: 'login' }, new Secret('token-0123456789'))
  }

  it('gets it, and nobody whom that server redirects to (X-03)', async () => {
    const seen: unknown[] = []
    const other = await start((request, response) => {
      seen.push(request.headers.authorization)
      response.end('{"login":"somebody"}')
    })
    const first = await start((request, response) => {
      seen.push(request.headers.authorization)
      response.writeHead(307, { location: other.url }).end()
    })
    expect(await probedAt(first)).toEqual({ outcome: 'unavailable', reason: 'http_307' })
    expect(seen).toEqual(['Bearer token-0123456789'])
    expect(await probedAt(other)).toMatchObject({ outcome: 'accepted', account: 'somebody' })
  })

  it.each([
    ['without end', 'answer_too_large', `"${'x'.repeat(2 * 1024 * 1024)}"`],
    ['that is no object', 'answer_not_json', '[{"login":"alice"}]'],
    ['that is a page', 'answer_not_json', '<html>'],
    [
      'that is nested too deep for most readers, and names nobody',
      'no_account',
      `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
    ],
  ])('proves nothing with an answer %s', async (_what, reason, body) => {
    const server = await start((_request, response) => void response.end(body))
    expect(await probedAt(server)).toEqual({ outcome: 'unavailable', reason })
  })
})
