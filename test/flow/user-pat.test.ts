import { readdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hashPassword } from '../../src/domain/password-hash.ts'
import { createBrowser, type Page } from '../fixtures/browser.ts'
import { type SpawnedGateway, spawnTestGateway } from '../fixtures/gateway.ts'
import {
  authorizeUrl,
  callRoute,
  type KnownClient,
  pkce,
  redeem,
  register,
  type Tokens,
  tokensOf,
} from '../fixtures/oauth-requests.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const PATS = new Map([
  ['ghp_alice_0123456789abcdef', 'alice-gh'],
  ['ghp_alice_second_abcdef012345', 'alice-gh-2'],
  ['ghp_bob_0123456789abcdef', 'bob-gh'],
  ['ghp_bob_ended_0123456789ab', 'bob-gh'],
])
/** Known to the API, refused by the MCP server. */
const revoked = new Set<string>()

describe('a route where every user brings their own token (U-15, S-11, B194)', () => {
  let api: PlainServer
  let server: PlainServer
  let gateway: SpawnedGateway
  let probed: string[] = []

  beforeAll(async () => {
    api = await startPlainServer((request, response) => {
      const pat = request.headers.authorization?.replace('token ', '') ?? ''
      probed.push(pat)
      if (pat === 'ghp_forbidden_0123456789') return void response.writeHead(403).end('{}')
      if (pat === 'ghp_outage_0123456789ab') return void response.writeHead(502).end('<html>')
      const login = PATS.get(pat)
      if (login === undefined) return void response.writeHead(401).end('{}')
      response.writeHead(200, {
        'content-type': 'application/json',
        'x-oauth-scopes': 'repo, read:org',
        'x-token-expiration': pat.includes('ended') ? '2001-02-03 04:05:06 UTC' : '2031-02-03 04:05:06 UTC',
      })
      response.end(JSON.stringify({ login }))
    })
    server = await startPlainServer((request, response) => {
      const pat = request.headers.authorization?.replace('Bearer ', '') ?? ''
      if (!PATS.has(pat) || revoked.has(pat)) return void response.writeHead(401).end()
      request.resume()
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ saw: pat }))
    })
    const credential = {
      kind: 'user-pat',
      label: 'GitHub personal access token',
      create_url: 'https://github.com/settings/tokens',
      probe: {
        url: api.url,
        headers: { Authorization: 'token {credential}' },
        account: 'login',
        scopes: 'header:x-oauth-scopes',
        expires: 'header:x-token-expiration',
      },
    }
    gateway = await spawnTestGateway({
      providers: {
        home: { type: 'password', users: { alice: await hashPassword('pw-alice'), bob: await hashPassword('pw-bob') } },
      },
      routes: { '/github': { upstream: server.url, sign_in: 'home', credential } },
    })
  })
  afterAll(async () => {
    await Promise.all([gateway?.close(), api?.close(), server?.close()])
  })

  const route = () => `${gateway.issuer}/github`

  /** Up to the page that asks for the token. */
  async function reachConnect(client: KnownClient, user: string) {
    const { verifier, challenge } = pkce()
    const browser = createBrowser({ stopAt: [client.redirectUri] })
    const consent = await browser.get(
      authorizeUrl(gateway.issuer, client, { code_challenge: challenge, resource: route() }),
    )
    const signIn = await browser.submit(consent.form(), { decision: 'approve' })
    const page = await browser.submit(signIn.form(), { username: user, password: `pw-${user}` })
    expect(page.url.pathname).toBe('/connect')
    return { browser, page, verifier }
  }

  async function finish(client: KnownClient, verifier: string, end: Page): Promise<Tokens> {
    expect(end.stopped).toBe(true)
    const code = end.url.searchParams.get('code') ?? ''
    return tokensOf(
      client,
      await redeem(gateway.issuer, { client, code, verifier, answer: end.url.searchParams, browser: createBrowser() }),
    )
  }

  async function connectWith(client: KnownClient, user: string, pat: string): Promise<Tokens> {
    const { browser, page, verifier } = await reachConnect(client, user)
    const tried = await browser.submit(formWith(page, 'pat'), { pat, decision: 'connect' })
    return finish(client, verifier, await browser.submit(formWith(tried, 'keep'), { decision: 'keep' }))
  }

  async function reuse(client: KnownClient, user: string): Promise<Tokens> {
    const { browser, page, verifier } = await reachConnect(client, user)
    return finish(client, verifier, await browser.submit(formWith(page, 'reuse'), { decision: 'reuse' }))
  }

  /** Every credential at rest, as it is. */
  function credentials(): unknown[] {
    const database = new Database(gateway.databaseFile, { readonly: true })
    try {
      return database.prepare('SELECT id, version, sealed, state FROM credentials ORDER BY id').all()
    } finally {
      database.close()
    }
  }

  const saw = async (tokens: Tokens) => (await callRoute(route(), tokens.accessToken)).json().saw

  it('gives each user’s calls that user’s token, for two users and three clients (B190)', async () => {
    const [one, two, three] = await Promise.all([
      register(gateway.issuer),
      register(gateway.issuer),
      register(gateway.issuer),
    ])
    const alice = await connectWith(one, 'alice', 'ghp_alice_0123456789abcdef')
    const bob = await connectWith(one, 'bob', 'ghp_bob_0123456789abcdef')
    const aliceAgain = await reuse(two, 'alice')
    const bobAgain = await reuse(three, 'bob')
    for (const tokens of [alice, aliceAgain]) expect(await saw(tokens)).toBe('ghp_alice_0123456789abcdef')
    for (const tokens of [bob, bobAgain]) expect(await saw(tokens)).toBe('ghp_bob_0123456789abcdef')
  })

  it('names the account on the page and never shows the token again (B194)', async () => {
    const { page } = await reachConnect(await register(gateway.issuer), 'alice')
    expect(page.body).toContain('alice-gh')
    expect(page.body).toContain('repo, read:org')
    expect(page.body).not.toContain('ghp_alice')
  })

  it('shows the account, what it may do and until when before anything is kept, and keeps nothing of a user who leaves then', async () => {
    const client = await register(gateway.issuer)
    const { browser, page } = await reachConnect(client, 'alice')
    const before = credentials()
    const tried = await browser.submit(formWith(page, 'pat'), {
      pat: 'ghp_alice_second_abcdef012345',
      decision: 'connect',
    })
    expect(tried.status).toBe(200)
    expect(tried.body).toContain('alice-gh-2')
    expect(tried.body).toContain('May do: <bdi>repo, read:org</bdi>')
    expect(tried.body).toContain('Works until 2031-02-03')
    expect(tried.body).not.toContain('ghp_alice')
    expect(credentials()).toEqual(before)
    // A page that is loaded anew still asks the same.
    expect((await browser.get(page.url)).body).toContain('alice-gh-2')

    const end = await browser.submit(formWith(tried, 'pat'), { decision: 'deny' })
    expect(end.url.searchParams.get('error')).toBe('access_denied')
    expect(credentials()).toEqual(before)
    expect(await saw(await reuse(client, 'alice'))).toBe('ghp_alice_0123456789abcdef')
  })

  it('keeps the token that was shown, and not one that was tried before it or that never was', async () => {
    const client = await register(gateway.issuer)
    const { browser, page, verifier } = await reachConnect(client, 'bob')
    const first = await browser.submit(formWith(page, 'pat'), {
      pat: 'ghp_alice_0123456789abcdef',
      decision: 'connect',
    })
    expect(first.body).toContain('alice-gh')
    const refused = await browser.submit(formWith(first, 'pat'), { pat: 'ghp_unknown_0123456789', decision: 'connect' })
    expect(refused.status).toBe(400)
    const stale = await browser.submit(formWith(first, 'keep'), { decision: 'keep' })
    expect(stale.stopped).toBe(false)
    expect(stale.body).not.toContain('alice-gh')
    const right = await browser.submit(formWith(refused, 'pat'), {
      pat: 'ghp_bob_0123456789abcdef',
      decision: 'connect',
    })
    const end = await browser.submit(formWith(right, 'keep'), { decision: 'keep' })
    expect(await saw(await finish(client, verifier, end))).toBe('ghp_bob_0123456789abcdef')
    expect((await browser.submit(formWith(right, 'keep'), { decision: 'keep' })).status).toBe(400)
  })

  it('takes a token that comes without a decision as the one to keep, tried like any other', async () => {
    const client = await register(gateway.issuer)
    const { browser, page, verifier } = await reachConnect(client, 'alice')
    const refused = await browser.submit(formWith(page, 'pat'), { pat: 'ghp_unknown_0123456789' })
    expect(refused.status).toBe(400)
    const end = await browser.submit(formWith(refused, 'pat'), { pat: 'ghp_alice_0123456789abcdef' })
    expect(await saw(await finish(client, verifier, end))).toBe('ghp_alice_0123456789abcdef')
  })

  it.each([
    ['one that the API does not know', 'ghp_unknown_0123456789', /mistyped/],
    ['one that may not do this', 'ghp_forbidden_0123456789', /not allowed/],
    ['one that cannot be tried now', 'ghp_outage_0123456789ab', /could not be tried/],
    ['something that is no token', 'two words here', /does not look like a token/],
  ])('keeps nothing of %s and says what is wrong', async (_what, pat, words) => {
    const client = await register(gateway.issuer)
    const { browser, page, verifier } = await reachConnect(client, 'bob')
    const again = await browser.submit(formWith(page, 'pat'), { pat, decision: 'connect' })
    expect(again.status).toBe(400)
    expect(again.body).toMatch(words)
    expect(again.body).not.toContain(pat)
    const end = await browser.submit(formWith(again, 'reuse'), { decision: 'reuse' })
    expect(await saw(await finish(client, verifier, end))).toBe('ghp_bob_0123456789abcdef')
  })

  it('takes a token as people paste it, with blanks and line ends around, and tries nothing that is none (B194)', async () => {
    const client = await register(gateway.issuer)
    const { browser, page, verifier } = await reachConnect(client, 'bob')
    probed = []
    const pasted = (pat: string) => browser.submit(formWith(page, 'pat'), { pat, decision: 'connect' })
    for (const none of [
      '',
      'short',
      'ghp_bob_0123456789\r\nabcdef',
      'ghp_b\u00f6b_0123456789',
      `ghp_${'x'.repeat(4096)}`,
    ]) {
      const refused = await pasted(none)
      expect([refused.status, refused.body]).toEqual([400, expect.stringMatching(/does not look like a token/)])
    }
    expect(probed).toEqual([])
    const tried = await pasted(' \t\ufeffghp_bob_0123456789abcdef\u00a0\r\n')
    expect(probed).toEqual(['ghp_bob_0123456789abcdef'])
    const end = await browser.submit(formWith(tried, 'keep'), { decision: 'keep' })
    expect(await saw(await finish(client, verifier, end))).toBe('ghp_bob_0123456789abcdef')
  })

  it('keeps one token of two tabs, and gives one code (A-37)', async () => {
    const client = await register(gateway.issuer)
    const { browser, page, verifier } = await reachConnect(client, 'bob')
    const first = await browser.submit(formWith(page, 'pat'), { pat: 'ghp_bob_0123456789abcdef', decision: 'connect' })
    const tabs = await Promise.all(
      ['keep', 'keep', 'keep'].map((decision) => browser.submit(formWith(first, 'keep'), { decision })),
    )
    const [end, ...more] = tabs.filter(({ stopped }) => stopped)
    expect(more).toEqual([])
    expect(tabs.filter(({ stopped }) => !stopped).map(({ status }) => status)).toEqual([400, 400])
    if (!end) throw new Error('no code')
    expect(await saw(await finish(client, verifier, end))).toBe('ghp_bob_0123456789abcdef')
  })

  it('does not believe that a token has ended with which the API has just answered', async () => {
    const client = await register(gateway.issuer)
    const { browser, page, verifier } = await reachConnect(client, 'bob')
    const tried = await browser.submit(formWith(page, 'pat'), {
      pat: 'ghp_bob_ended_0123456789ab',
      decision: 'connect',
    })
    expect(tried.body).not.toContain('Works until')
    const end = await browser.submit(formWith(tried, 'keep'), { decision: 'keep' })
    expect(await saw(await finish(client, verifier, end))).toBe('ghp_bob_ended_0123456789ab')
    expect(await saw(await connectWith(client, 'bob', 'ghp_bob_0123456789abcdef'))).toBe('ghp_bob_0123456789abcdef')
  })

  it('replaces a token for all of the user’s clients and for nobody else', async () => {
    const client = await register(gateway.issuer)
    const before = await reuse(client, 'alice')
    const bob = await reuse(client, 'bob')
    const after = await connectWith(client, 'alice', 'ghp_alice_second_abcdef012345')
    for (const tokens of [before, after]) expect(await saw(tokens)).toBe('ghp_alice_second_abcdef012345')
    expect(await saw(bob)).toBe('ghp_bob_0123456789abcdef')
  })

  it('answers 502 for a token that its server refuses, never 401, nor some other credential, and asks for a new one at the next sign-in (S-11, B196)', async () => {
    const client = await register(gateway.issuer)
    const alice = await reuse(client, 'alice')
    const bob = await reuse(client, 'bob')
    revoked.add('ghp_alice_second_abcdef012345')
    for (const _ of ['marked now', 'known from then on']) {
      const refused = await callRoute(route(), alice.accessToken)
      expect(refused.status).toBe(502)
      expect(refused.json()).toMatchObject({
        error: { message: expect.stringContaining('GitHub personal access token') },
      })
    }
    expect(await saw(bob)).toBe('ghp_bob_0123456789abcdef')

    const { browser, page, verifier } = await reachConnect(client, 'alice')
    expect(page.body).toMatch(/does not work any more/)
    expect(page.forms).toHaveLength(1)
    const tried = await browser.submit(page.form(), { pat: 'ghp_alice_0123456789abcdef', decision: 'connect' })
    const end = await browser.submit(formWith(tried, 'keep'), { decision: 'keep' })
    const fresh = await finish(client, verifier, end)
    for (const tokens of [alice, fresh]) expect(await saw(tokens)).toBe('ghp_alice_0123456789abcdef')
  })

  it('answers the same 502 when it cannot note the refusal, and takes the token again once its server does (S-11, C41)', async () => {
    const bob = await reuse(await register(gateway.issuer), 'bob')
    revoked.add('ghp_bob_0123456789abcdef')
    const other = new Database(gateway.databaseFile)
    other.exec('BEGIN IMMEDIATE')
    const refused = await callRoute(route(), bob.accessToken).finally(() => other.close())
    expect(refused.status).toBe(502)
    expect(refused.json()).toMatchObject({
      error: { message: expect.stringContaining('GitHub personal access token') },
    })
    revoked.delete('ghp_bob_0123456789abcdef')
    expect(await saw(bob)).toBe('ghp_bob_0123456789abcdef')
  })

  it('ends with access_denied and keeps nothing when the user cancels (A-25)', async () => {
    const client = await register(gateway.issuer)
    const { browser, page } = await reachConnect(client, 'bob')
    const end = await browser.submit(formWith(page, 'pat'), { decision: 'deny' })
    expect(end.stopped).toBe(true)
    expect(end.url.searchParams.get('error')).toBe('access_denied')
    expect(end.url.searchParams.get('iss')).toBe(gateway.issuer)
  })

  it('serves the page to no other browser than the one that signed in (B101, B097)', async () => {
    const { page, browser } = await reachConnect(await register(gateway.issuer), 'alice')
    const stranger = createBrowser()
    expect((await stranger.get(page.url)).status).toBe(400)
    expect((await browser.get(page.url)).status).toBe(200)
  })

  it('tries a bounded number of tokens in one visit', async () => {
    const { browser, page } = await reachConnect(await register(gateway.issuer), 'bob')
    probed = []
    let current = page
    for (let attempt = 0; attempt < 12 && !current.stopped; attempt += 1) {
      current = await browser.submit(formWith(current, 'pat'), {
        pat: `ghp_guess_${attempt}_0123456789`,
        decision: 'connect',
      })
    }
    expect(current.url.searchParams.get('error')).toBe('access_denied')
    expect(probed.length).toBe(8)
  })

  it('has no token in the database in the clear, nor in the log (U-10, B281)', () => {
    const directory = dirname(gateway.databaseFile)
    const files = readdirSync(directory).filter((name) => name.startsWith('gatehouse.db'))
    expect(files).toContain('gatehouse.db')
    for (const pat of PATS.keys()) {
      for (const name of files) expect(readFileSync(`${directory}/${name}`).includes(pat)).toBe(false)
      expect(gateway.output()).not.toContain(pat)
    }
    expect(gateway.output()).toContain('alice-gh')
  })
})

/** The form that holds a field, or offers a decision. */
function formWith(page: Page, name: 'pat' | 'keep' | 'reuse') {
  const form = page.forms.find((candidate) =>
    name === 'pat' ? candidate.names.includes('pat') : candidate.choices('decision').includes(name),
  )
  if (!form) throw new Error(`no such form: ${page.status} ${page.body}`)
  return form
}
