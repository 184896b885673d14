import { mkdir } from 'node:fs/promises'
import type { Browser } from 'playwright-core'
import { connectPage, consentPage, errorPage, type HtmlDocument, handOffPage, signInPage } from '../src/oauth/pages.ts'
import { launchChromium } from '../test/fixtures/chromium.ts'
import { servePages } from '../test/fixtures/page-server.ts'
import * as models from '../test/pages/models.ts'

/** One picture of the documentation. */
interface Picture {
  readonly name: string
  readonly page: HtmlDocument
  readonly device: 'phone' | 'desktop'
  readonly colorScheme: 'light' | 'dark'
}

const DEVICES = {
  phone: { viewport: { width: 390, height: 640 }, deviceScaleFactor: 1.4 },
  desktop: { viewport: { width: 680, height: 400 }, deviceScaleFactor: 1.2 },
}

const PICTURES: readonly Picture[] = [
  { name: 'consent-desktop-light', page: consentPage(models.webConsent), device: 'desktop', colorScheme: 'light' },
  { name: 'consent-phone-dark', page: consentPage(models.loopbackConsent), device: 'phone', colorScheme: 'dark' },
  { name: 'route-choice', page: consentPage(models.choiceConsent), device: 'desktop', colorScheme: 'light' },
  { name: 'sign-in', page: signInPage(models.failedSignIn), device: 'phone', colorScheme: 'light' },
  { name: 'consent-steps', page: consentPage(models.steppedConsent), device: 'phone', colorScheme: 'light' },
  { name: 'connect', page: connectPage(models.keptToken), device: 'desktop', colorScheme: 'light' },
  { name: 'connect-account', page: connectPage(models.triedToken), device: 'phone', colorScheme: 'dark' },
  { name: 'error', page: errorPage(models.interstitialError), device: 'desktop', colorScheme: 'dark' },
  { name: 'hand-off', page: handOffPage(models.handOff), device: 'desktop', colorScheme: 'light' },
]

const FOLDER = new URL('../docs/images/', import.meta.url)

await mkdir(FOLDER, { recursive: true })
const server = await servePages(Object.fromEntries(PICTURES.map(({ name, page }) => [`/${name}`, page])))
const browser = await launchChromium()
try {
  for (const picture of PICTURES) await take(browser, picture)
} finally {
  await browser.close()
  await server.close()
}

async function take(from: Browser, { name, device, colorScheme }: Picture): Promise<void> {
  const context = await from.newContext({ ...DEVICES[device], colorScheme, reducedMotion: 'reduce' })
  const page = await context.newPage()
  await page.goto(`${server.origin}/${name}`)
  await page.screenshot({ path: new URL(`${name}.png`, FOLDER).pathname, fullPage: true })
  await context.close()
}
