import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBrowser, type Page } from '../fixtures/browser.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { type IdentityProvider, startIdentityProvider } from '../fixtures/identity-provider.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import { authorizeUrl, type KnownClient, register } from '../fixtures/oauth-requests.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

/** What a page says of the way: the words, all names in order, and the one that is marked as this page's. */
interface ShownSteps {
  readonly words: string
  readonly names: readonly string[]
  readonly current: readonly string[]
}

const WEB_REDIRECT = 'https://app.example.com/callback'

describe('the way through an authorization that needs a second leg (A-42)', () => {
  let clock: MovableClock
  let linear: IdentityProvider
  let server: PlainServer
  let gateway: TestGateway

  beforeAll(async () => {
    clock = installMovableClock()
    linear = await startIdentityProvider({})
    server = await startPlainServer((request, response) => {
      request.resume()
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
    const pat = { kind: 'user-pat', label: 'GitHub token' }
    gateway = await startTestGateway({
      providers: {
        ...(await passwordProviders()),
        linear: {
          type: 'oidc',
          issuer: linear.issuer,
          client_id: linear.clientId,
          client_secret: linear.clientSecret,
          scopes: ['openid', 'offline_access'],
        },
      },
      consent: { remember: '12h' },
      routes: {
        '/github': { upstream: server.url, title: 'GitHub', sign_in: 'home', credential: pat },
        '/linear': {
          upstream: server.url,
          sign_in: 'home',
          credential: { kind: 'provider-token', provider: 'linear' },
        },
        '/plain': { upstream: server.url, sign_in: 'home' },
      },
    })
    linear.allowRedirect(`${gateway.issuer}/callback/linear`)
  })
  afterAll(async () => {
    await gateway?.close()
    await Promise.all([linear?.close(), server?.close()])
    clock?.restore()
  })

  async function open(path: string, client: KnownClient, browser = createBrowser({ stopAt: [client.redirectUri] })) {
    const resource = `${gateway.issuer}${path}`
    return { browser, page: await browser.get(authorizeUrl(gateway.issuer, client, { resource })) }
  }

  const signIn = (browser: ReturnType<typeof createBrowser>, page: Page) =>
    browser.submit(page.form(), { username: ALICE.username ?? '', password: ALICE.password ?? '' })

  it('is shown on each of our pages with its place and what comes next, for a token of the user’s own', async () => {
    const { browser, page } = await open('/github', await register(gateway.issuer))
    const names = ['Approve', 'Sign in at home', 'Connect GitHub']
    expect(stepsOn(page)).toEqual({ words: 'Step 1 of 3', names, current: ['Approve'] })
    const second = await browser.submit(page.form(), { decision: 'approve' })
    expect(stepsOn(second)).toEqual({ words: 'Step 2 of 3', names, current: ['Sign in at home'] })
    const failed = await browser.submit(second.form(), { username: 'alice', password: 'wrong' })
    expect(stepsOn(failed)).toEqual({ words: 'Step 2 of 3', names, current: ['Sign in at home'] })
    const third = await signIn(browser, failed)
    expect(stepsOn(third)).toEqual({ words: 'Step 3 of 3', names, current: ['Connect GitHub'] })
    const again = await browser.submit(third.form(), { pat: 'no token', decision: 'connect' })
    expect(stepsOn(again)?.words).toBe('Step 3 of 3')
  })

  it('names the second provider, which the user is sent on to without another page of ours', async () => {
    const client = await register(gateway.issuer)
    const { browser, page } = await open('/linear', client)
    expect(stepsOn(page)?.names).toEqual(['Approve', 'Sign in at home', 'Connect linear'])
    const end = await signIn(browser, await browser.submit(page.form(), { decision: 'approve' }))
    expect(end.stopped).toBe(true)
    expect(end.url.searchParams.has('code')).toBe(true)
  })

  it('counts only the steps that there are when an approval is remembered', async () => {
    const client = await register(gateway.issuer, { redirect_uris: [WEB_REDIRECT] })
    const { browser, page } = await open('/github', client)
    const connect = await signIn(browser, await browser.submit(page.form(), { decision: 'approve' }))
    const end = await browser.submit(connect.form(), { pat: 'ghp_0123456789', decision: 'connect' })
    expect(end.url.searchParams.has('code')).toBe(true)

    const names = ['Sign in at home', 'Connect GitHub']
    const { page: skipped } = await open('/github', client, browser)
    expect(stepsOn(skipped)).toEqual({ words: 'Step 1 of 2', names, current: ['Sign in at home'] })
    expect(stepsOn(await signIn(browser, skipped))).toEqual({
      words: 'Step 2 of 2',
      names,
      current: ['Connect GitHub'],
    })
  })

  it('is not shown where approving and signing in is all', async () => {
    const { browser, page } = await open('/plain', await register(gateway.issuer))
    expect(stepsOn(page)).toBeUndefined()
    expect(stepsOn(await browser.submit(page.form(), { decision: 'approve' }))).toBeUndefined()
  })

  it('is not shown where it depends on the route that the user picks', async () => {
    const client = await register(gateway.issuer)
    const browser = createBrowser({ stopAt: [client.redirectUri] })
    const page = await browser.get(authorizeUrl(gateway.issuer, client))
    expect(page.form().choices('route')).toHaveLength(3)
    expect(stepsOn(page)).toBeUndefined()
  })

  it('leaves no row behind when the user denies the second provider, and the client is told (A-25)', async () => {
    const client = await register(gateway.issuer)
    const before = rows(gateway)
    linear.setMode({ signIn: 'deny' })
    const { browser, page } = await open('/linear', client)
    const end = await signIn(browser, await browser.submit(page.form(), { decision: 'approve' }))
    linear.setMode({ signIn: 'approve' })
    expect(end.url.searchParams.get('error')).toBe('access_denied')
    expect(rows(gateway)).toEqual(before)
  })

  it('leaves no row behind when the user cancels on the page for the token (A-25)', async () => {
    const client = await register(gateway.issuer)
    const before = rows(gateway)
    const { browser, page } = await open('/github', client)
    const connect = await signIn(browser, await browser.submit(page.form(), { decision: 'approve' }))
    expect(rows(gateway)).toEqual({ ...before, interactions: before.interactions + 1 })
    const form = connect.forms.find(({ names }) => names.includes('pat'))
    if (!form) throw new Error('nobody asks for a token')
    const end = await browser.submit(form, { decision: 'deny' })
    expect(end.url.searchParams.get('error')).toBe('access_denied')
    expect(rows(gateway)).toEqual(before)
  })

  it.each([
    ['at the second provider', '/linear'],
    ['on the page for the token', '/github'],
  ])('leaves nothing but an interaction that runs out when the user walks away %s (A-25)', async (_where, path) => {
    const client = await register(gateway.issuer)
    const before = rows(gateway)
    const stopAt = [client.redirectUri, `${linear.issuer}/auth`, `${gateway.issuer}/connect`]
    const { browser, page } = await open(path, client, createBrowser({ stopAt }))
    const left = await signIn(browser, await browser.submit(page.form(), { decision: 'approve' }))
    expect(left.stopped).toBe(true)
    expect(rows(gateway)).toEqual({ ...before, interactions: before.interactions + 1 })
    const cookie = [...browser.cookies(gateway.issuer)].map(([name, value]) => `${name}=${value}`).join('; ')
    if (path === '/github') expect((await fetch(left.url, { headers: { cookie } })).status).toBe(200)
    clock.advance(11 * 60_000)
    // Whoever comes back then finds that it has ended, and the clean-up collects what has (test/ports).
    const back = path === '/github' ? left.url : `${gateway.issuer}/callback/linear?code=x&state=${stateOf(left)}`
    expect((await fetch(back, { headers: { cookie } })).status).toBe(400)
    expect(rows(gateway)).toMatchObject({ grants: before.grants, credentials: before.credentials, codes: before.codes })
  })
})

function stateOf(page: Page): string {
  return page.url.searchParams.get('state') ?? ''
}

function stepsOn({ body }: Page): ShownSteps | undefined {
  const nav = /<nav class="steps"[^>]*>([\s\S]*?)<\/nav>/.exec(body)?.[1]
  if (nav === undefined) return undefined
  const items = [...nav.matchAll(/<li([^>]*)><bdi>([^<]*)<\/bdi><\/li>/g)]
  return {
    words: /<p>([^<]*)<\/p>/.exec(nav)?.[1] ?? '',
    names: items.map(([, , name]) => name ?? ''),
    current: items
      .filter(([, attributes]) => attributes?.includes('aria-current="step"'))
      .map(([, , name]) => name ?? ''),
  }
}

function rows({ databaseFile }: TestGateway) {
  const database = new Database(databaseFile, { readonly: true })
  const count = (table: string) => Number(database.prepare(`SELECT count(*) FROM ${table}`).pluck().get())
  try {
    return {
      interactions: count('interactions'),
      grants: count('grants'),
      credentials: count('credentials'),
      codes: count('codes'),
    }
  } finally {
    database.close()
  }
}
