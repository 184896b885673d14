import axe from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  connectPage,
  consentPage,
  errorPage,
  type HtmlDocument,
  handOffPage,
  signInPage,
} from '../../src/oauth/pages.ts'
import { findChromium, launchChromium } from '../fixtures/chromium.ts'
import { type PageServer, servePages } from '../fixtures/page-server.ts'
import { HOSTILE_TEXTS } from './hostile-text.ts'
import * as models from './models.ts'

const PAGES: Readonly<Record<string, HtmlDocument>> = {
  '/consent-web': consentPage(models.webConsent),
  '/consent-loopback': consentPage(models.loopbackConsent),
  '/consent-document': consentPage(models.documentConsent),
  '/consent-choice': consentPage(models.choiceConsent),
  '/consent-steps': consentPage(models.steppedConsent),
  '/consent-shared': consentPage(models.sharedConsent),
  '/connect': connectPage(models.connect),
  '/connect-tried': connectPage(models.triedToken),
  '/connect-kept': connectPage(models.reconnect),
  '/sign-in': signInPage(models.signIn),
  '/sign-in-failed': signInPage(models.failedSignIn),
  '/error': errorPage(models.plainError),
  '/error-link': errorPage(models.interstitialError),
}

const chromium = findChromium()
if (chromium === undefined)
  process.stderr.write('No Chromium found (CHROMIUM_PATH): tests of the pages in a browser were left out.\n')

describe.runIf(chromium !== undefined)('the pages in Chromium', () => {
  let browser: Browser
  let client: PageServer
  let gateway: PageServer

  beforeAll(async () => {
    browser = await launchChromium()
    client = await servePages({ '/callback?code=mgh_ac_x': errorPage({ ...models.plainError, title: 'The client' }) })
    const handOff = (path: string) =>
      handOffPage({ ...models.loopbackHandOff, href: `${client.origin}${path}?code=mgh_ac_x` })
    gateway = await servePages(
      {
        ...PAGES,
        '/hand-off': handOff('/callback'),
        '/hand-off-blocked': handOff('/blocked'),
        ...Object.fromEntries(hostilePages()),
        '/control':
          '<!doctype html><script>globalThis.pwned = 1</script><p onclick="x" style="color:red">' as HtmlDocument,
      },
      `${client.origin}/callback?code=mgh_ac_x`,
    )
  })

  afterAll(async () => {
    await browser?.close()
    await Promise.all([gateway?.close(), client?.close()])
  })

  async function open(path: string, options: Parameters<Browser['newContext']>[0] = {}): Promise<Watched> {
    const context = await browser.newContext(options)
    const page = await context.newPage()
    const reports = watch(page)
    await page.addInitScript(
      'globalThis.violations = []; addEventListener("securitypolicyviolation", (e) => violations.push(e.effectiveDirective))',
    )
    await page.goto(gateway.origin + path)
    return { page, reports, [Symbol.asyncDispose]: () => context.close() }
  }

  it('notices a script and a violation of the policy when there is one (the twin of the tests below)', async () => {
    await using opened = await open('/control')
    expect(await opened.page.evaluate('violations')).toContain('script-src-elem')
    expect(opened.reports).not.toEqual([])
  })

  it.each(Object.keys(HOSTILE_TEXTS))(
    'run nothing, break no policy and never scroll sideways when others write %s (B115; WCAG 2.2, 1.4.10)',
    async (kind) => {
      await using opened = await open(hostilePath(kind), { viewport: { width: 320, height: 568 } })
      const { page, reports } = opened
      for (const path of hostilePages().flatMap(([path]) => (path.startsWith(hostileStem(kind)) ? [path] : []))) {
        await page.goto(gateway.origin + path)
        for (const summary of await page.locator('summary').all()) await summary.click()
        expect(await page.evaluate('[globalThis.pwned, ...violations]'), path).toEqual([undefined])
        expect(await page.locator('h1').count(), path).toBe(1)
        expect(await page.evaluate('document.documentElement.scrollWidth'), path).toBe(320)
      }
      expect(reports).toEqual([])
    },
  )

  it.each(Object.keys(PAGES))('never scroll sideways at 320 px on %s (WCAG 2.2, 1.4.10)', async (path) => {
    await using opened = await open(path, { viewport: { width: 320, height: 568 } })
    for (const summary of await opened.page.locator('summary').all()) await summary.click()
    expect(await opened.page.evaluate('document.documentElement.scrollWidth')).toBe(320)
  })

  it.each(['a very long word', 'the end of every element around it'])(
    'keep the redirect host in view on a small phone when the name is %s',
    async (kind) => {
      await using opened = await open(hostilePath(kind), { viewport: { width: 320, height: 568 } })
      const box = await opened.page.locator('.goes-to').boundingBox()
      expect(box && box.y + box.height).toBeLessThan(568)
    },
  )

  it.each(['/consent-web', '/consent-choice', '/sign-in', '/error-link'])(
    'have buttons of 44 px at least on %s (WCAG 2.2, 2.5.5)',
    async (path) => {
      await using opened = await open(path, { viewport: { width: 320, height: 568 } })
      const targets = await opened.page.locator('button, a, summary, .choice, .input').all()
      expect(targets).not.toEqual([])
      for (const target of targets) expect((await target.boundingBox())?.height).toBeGreaterThanOrEqual(44)
    },
  )

  it.each([...Object.keys(PAGES), '/hand-off-blocked'])('have no fault that axe finds on %s', async (path) => {
    await using opened = await open(path)
    const { page } = opened
    for (const summary of await page.locator('summary').all()) await summary.click()
    await page.evaluate(axe.source)
    for (const colorScheme of ['light', 'dark'] as const) {
      // Colors must be judged when they have arrived, not on their way.
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      const { violations, passes } = await page.evaluate<axe.AxeResults>('axe.run()')
      const faults = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`)
      expect(faults, colorScheme).toEqual([])
      expect(passes.map(({ id }) => id)).toContain('color-contrast')
    }
  })

  it('lead the keyboard from the details to Deny and then to Allow', async () => {
    await using opened = await open('/consent-web')
    expect(await tabStops(opened.page, 3)).toEqual(['Details', 'Deny', 'Allow and sign in'])
    await opened.page.keyboard.press('Enter')
    await opened.page.waitForURL(`${client.origin}/**`)
    expect(gateway.requests.at(-1)?.body).toBe('interaction=6Jq0tK9w&proof=Zr3vY1cM&decision=approve')
  })

  it('follow the redirect after the form to the client on loopback (A-16, A-39)', async () => {
    await using opened = await open('/consent-loopback')
    await opened.page.getByRole('button', { name: 'Allow' }).click()
    await opened.page.waitForURL(`${client.origin}/callback?code=mgh_ac_x`)
    expect(await opened.page.locator('h1').textContent()).toBe('The client')
  })

  it('deny without a route, but approve only with one, all by keyboard (A-12)', async () => {
    await using opened = await open('/consent-choice')
    const { page } = opened
    const posts = gateway.requests.filter(({ method }) => method === 'POST').length
    await page.locator('button[value=approve]').press('Enter')
    expect(await page.locator('input:invalid').count()).toBe(3)
    expect(gateway.requests.filter(({ method }) => method === 'POST')).toHaveLength(posts)
    await page.locator('input[value="/github"]').focus()
    await page.keyboard.press('ArrowDown')
    await page.locator('button[value=approve]').press('Enter')
    await page.waitForURL(`${client.origin}/**`)
    expect(gateway.requests.at(-1)?.body).toBe('interaction=6Jq0tK9w&proof=Zr3vY1cM&route=%2Fwiki&decision=approve')
    await page.goto(`${gateway.origin}/consent-choice`)
    await page.locator('button[value=deny]').press('Enter')
    await page.waitForURL(`${client.origin}/**`)
    expect(gateway.requests.at(-1)?.body).toBe('interaction=6Jq0tK9w&proof=Zr3vY1cM&decision=deny')
  })

  it('put the cursor into the username, and the password is one Tab away', async () => {
    await using opened = await open('/sign-in-failed')
    await opened.page.locator('#username:focus').waitFor()
    await opened.page.keyboard.type('alice')
    await opened.page.keyboard.press('Tab')
    await opened.page.keyboard.type('secret')
    await opened.page.keyboard.press('Enter')
    await opened.page.waitForURL(`${client.origin}/**`)
    expect(gateway.requests.at(-1)?.body).toBe('interaction=6Jq0tK9w&username=alice&password=secret')
  })

  it('hand over to the client on loopback by themselves (A-41)', async () => {
    await using opened = await open('/hand-off')
    await opened.page.waitForURL(`${client.origin}/callback?code=mgh_ac_x`)
    expect(await opened.page.locator('h1').textContent()).toBe('The client')
  })

  it('stay readable when the hand-over comes to nothing, and the link tries again (A-41)', async () => {
    await using opened = await open('/hand-off-blocked')
    const again = opened.page.waitForResponse((response) => response.url().startsWith(`${client.origin}/blocked`))
    await opened.page.getByRole('link', { name: 'Open Claude Code' }).click()
    expect((await again).status()).toBe(204)
    expect(await opened.page.locator('h1').textContent()).toBe('You are signed in')
  })
})

/** A page under the eyes of a test, closed with it. */
interface Watched extends AsyncDisposable {
  readonly page: Page
  /** Dialogs, messages of the console and requests that no page should cause. */
  readonly reports: readonly string[]
}

function watch(page: Page): string[] {
  const reports: string[] = []
  page.on('dialog', (dialog) => {
    reports.push(`dialog ${dialog.message()}`)
    dialog.dismiss()
  })
  page.on('console', (message) => reports.push(`console ${message.text()}`))
  page.on('pageerror', (error) => reports.push(`error ${error.message}`))
  page.on('request', (request) => {
    if (!request.isNavigationRequest()) reports.push(`request ${request.url()}`)
  })
  return reports
}

async function tabStops(page: Page, count: number): Promise<string[]> {
  const stops: string[] = []
  for (let press = 0; press < count; press++) {
    await page.keyboard.press('Tab')
    stops.push(await page.evaluate('document.activeElement.textContent.trim()'))
  }
  return stops
}

function hostileStem(kind: string): string {
  return `/hostile-${Object.keys(HOSTILE_TEXTS).indexOf(kind)}-`
}

function hostilePath(kind: string): string {
  return `${hostileStem(kind)}consent`
}

/** Every page with every text that others choose replaced by a hostile one. */
function hostilePages(): [string, HtmlDocument][] {
  return Object.entries(HOSTILE_TEXTS).flatMap(([kind, text]): [string, HtmlDocument][] => {
    const stem = hostileStem(kind)
    const client = { name: text, id: text, origin: 'registered' as const, uri: text }
    const href = `https://client.example/${text}`
    return [
      [
        `${stem}consent`,
        consentPage({
          ...models.choiceConsent,
          client,
          redirect: { kind: 'https', host: 'claude.ai', uri: href },
          scopes: [text],
          routes: models.choiceConsent.routes.map((route) => ({ ...route, title: text, upstreamAccount: text })),
          form: { action: '/consent', hidden: { [text]: text } },
        }),
      ],
      [
        `${stem}sign-in`,
        signInPage({ ...models.failedSignIn, clientName: text, routeTitle: text, providerName: text }),
      ],
      [
        `${stem}error`,
        errorPage({
          title: text,
          what: text,
          next: text,
          requestId: text,
          continue: { href, host: text, label: text },
        }),
      ],
    ]
  })
}
