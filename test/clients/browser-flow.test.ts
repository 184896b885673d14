import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { findChromium, launchChromium } from '../fixtures/chromium.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { askToken, authorizeUrl, type Changes, type KnownClient, pkce, register } from '../fixtures/oauth-requests.ts'
import { ALICE } from '../fixtures/password-provider.ts'
import { type DemoGateway, startDemoGateway } from './demo-gateway.ts'

const INITIALIZE = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1.0.0' } }

const chromium = findChromium()
if (chromium === undefined)
  process.stderr.write('No Chromium found (CHROMIUM_PATH): sign-ins in a browser were left out.\n')

describe.runIf(chromium !== undefined)('signing in with Chromium', () => {
  let browser: Browser
  let context: BrowserContext
  let demo: DemoGateway
  let issuer: string
  let listener: Server
  let client: KnownClient
  /** What reached the client on loopback. */
  let received: URL[]

  beforeAll(async () => {
    ;[browser, demo] = await Promise.all([launchChromium(), startDemoGateway()])
    issuer = demo.gateway.issuer
    listener = createServer((request, response) => {
      const url = new URL(request.url ?? '', 'http://127.0.0.1')
      if (url.pathname === '/callback') received.push(url)
      response.writeHead(200, { 'content-type': 'text/html' }).end('<title>The client</title><h1>Back in the app</h1>')
    })
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const { port } = listener.address() as AddressInfo
    client = await register(issuer, { redirect_uris: [`http://127.0.0.1:${port}/callback`] })
  })
  afterAll(async () => {
    await browser?.close()
    await demo?.close()
    listener?.close()
    listener?.closeAllConnections()
  })
  beforeEach(async () => {
    received = []
    context = await browser.newContext()
  })
  afterEach(() => context.close())

  async function open(changes: Changes = {}, who: KnownClient = client): Promise<Page> {
    const page = await context.newPage()
    const answer = await page.goto(authorizeUrl(issuer, who, { resource: demo.url, ...changes }))
    expect(answer?.status()).toBe(200)
    return page
  }
  async function approve(page: Page): Promise<void> {
    await page.getByRole('button', { name: 'Allow and sign in' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  }
  async function signIn(page: Page): Promise<void> {
    await page.getByLabel('Username').fill(ALICE.username)
    await page.getByLabel('Password').fill(ALICE.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
  }
  async function backInTheApp(page: Page): Promise<URLSearchParams> {
    await page.getByRole('heading', { name: 'Back in the app' }).waitFor()
    return new URL(page.url()).searchParams
  }
  async function redeem(code: string | null, verifier: string): Promise<Record<string, unknown>> {
    const form = { grant_type: 'authorization_code', code: code ?? '', code_verifier: verifier }
    return (await askToken(issuer, client, { ...form, redirect_uri: client.redirectUri })).json()
  }

  it('by clicking and typing: the answer really reaches the client on 127.0.0.1, and its token works (A-39)', async () => {
    const { verifier, challenge } = pkce()
    const page = await open({ code_challenge: challenge, state: 'from the app & back' })
    await approve(page)
    await signIn(page)
    const answer = await backInTheApp(page)
    expect(received).toHaveLength(1)
    expect([answer.get('state'), answer.get('iss')]).toEqual(['from the app & back', issuer])
    const { access_token: token } = await redeem(answer.get('code'), verifier)
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: INITIALIZE })
    expect((await callMcp(demo.url, String(token), { body })).status).toBe(200)
  })

  it('a denial reaches the client as well (A-40)', async () => {
    const page = await open()
    await page.getByRole('button', { name: 'Deny' }).click()
    const answer = await backInTheApp(page)
    expect([answer.get('error'), answer.get('iss'), answer.get('code')]).toEqual(['access_denied', issuer, null])
  })

  it('for an app with a scheme of its own it ends on a page with the link to it (A-41, R-07)', async () => {
    const redirectUri = 'cursor://anysphere.cursor-mcp/oauth/callback'
    const cursor = await register(issuer, { redirect_uris: [redirectUri], client_name: 'Cursor' })
    const page = await open({}, cursor)
    await approve(page)
    await signIn(page)
    await page.getByRole('heading', { name: 'You are signed in' }).waitFor()
    const link = await page.getByRole('link', { name: 'Open Cursor' }).getAttribute('href')
    expect(link?.startsWith(`${redirectUri}?`)).toBe(true)
    expect(new URL(link ?? '').searchParams.get('code')).toMatch(/^mgh_ac_/)
    expect(await page.getByText('You may close this window').isVisible()).toBe(true)
  })

  it('in two tabs at once, each gets its own answer, whichever ends first (A-24)', async () => {
    const [one, other] = [pkce(), pkce()]
    const first = await open({ state: 'first', code_challenge: one.challenge })
    const second = await open({ state: 'second', code_challenge: other.challenge })
    await approve(first)
    await approve(second)
    await signIn(second)
    const secondAnswer = await backInTheApp(second)
    await signIn(first)
    const firstAnswer = await backInTheApp(first)
    expect([firstAnswer.get('state'), secondAnswer.get('state')]).toEqual(['first', 'second'])
    expect(await redeem(firstAnswer.get('code'), one.verifier)).toHaveProperty('access_token')
    expect(await redeem(secondAnswer.get('code'), other.verifier)).toHaveProperty('access_token')
  })

  it('the back button afterwards shows that it is over, and sends nothing to the client again (B106)', async () => {
    const page = await open()
    await approve(page)
    await signIn(page)
    await backInTheApp(page)
    await page.goBack()
    await page.getByRole('heading', { name: 'This sign-in has ended' }).waitFor()
    await page.goBack()
    // The consent page is not kept by the browser; loaded again it is a new question.
    await page.getByRole('button', { name: 'Allow and sign in' }).waitFor()
    expect(received).toHaveLength(1)
  })

  it('a double click on the approval is one approval (A-33, B106)', async () => {
    const page = await open()
    const before = demo.gateway.output().length
    await page.getByRole('button', { name: 'Allow and sign in' }).dblclick()
    const signInPage = page.getByRole('heading', { name: 'Sign in' })
    // When the second click leaves the browser before the first is answered, it comes too late and says so.
    const ended = page.getByRole('heading', { name: 'This sign-in has ended' })
    await signInPage.or(ended).waitFor()
    expect(
      demo.gateway
        .output()
        .slice(before)
        .match(/"event":"consent_given"/g),
    ).toHaveLength(1)
    expect(received).toEqual([])
  })

  it('a wrong password may be corrected', async () => {
    const page = await open()
    await approve(page)
    await page.getByLabel('Username').fill(ALICE.username)
    await page.getByLabel('Password').fill('wrong')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').waitFor()
    await signIn(page)
    expect((await backInTheApp(page)).get('code')).toMatch(/^mgh_ac_/)
  })

  it('its cookies are for our pages only, unreadable for scripts, and gone when it is over (A-35, A-36, B110)', async () => {
    const names = async () => (await context.cookies(issuer)).map(({ name }) => name.replace(/-txn-.*/, '-txn'))
    const page = await open()
    expect(await names()).toEqual(['gatehouse-form'])
    await approve(page)
    expect((await names()).toSorted()).toEqual(['gatehouse-form', 'gatehouse-txn'])
    // On loopback without TLS the names do without __Host- and the cookies without Secure, for Safari's sake.
    for (const cookie of await context.cookies(issuer))
      expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Lax', path: '/', domain: '127.0.0.1', secure: false })
    expect(await page.evaluate('document.cookie')).toBe('')
    await signIn(page)
    await backInTheApp(page)
    expect(await names()).toEqual(['gatehouse-form'])
  })
})
