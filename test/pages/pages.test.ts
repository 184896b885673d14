import { createHash } from 'node:crypto'
import { type DefaultTreeAdapterTypes, parse } from 'parse5'
import { describe, expect, it } from 'vitest'
import {
  connectPage,
  consentPage,
  errorPage,
  handOffPage,
  PAGE_CSP,
  pageHeaders,
  signInPage,
} from '../../src/oauth/pages.ts'
import * as models from './models.ts'

type Element = DefaultTreeAdapterTypes.Element
type Node = DefaultTreeAdapterTypes.Node

const PAGES = {
  'consent for a website': consentPage(models.webConsent),
  'consent for a program on this computer': consentPage(models.loopbackConsent),
  'consent for a client that a website describes': consentPage(models.documentConsent),
  'consent with a choice of routes': consentPage(models.choiceConsent),
  'consent as the first of three steps': consentPage(models.steppedConsent),
  'consent for a shared account': consentPage(models.sharedConsent),
  connect: connectPage(models.connect),
  'connect with a token that works': connectPage(models.triedToken),
  'connect with a kept token': connectPage(models.reconnect),
  'sign-in': signInPage(models.signIn),
  'failed sign-in': signInPage(models.failedSignIn),
  error: errorPage(models.plainError),
  'error with a link': errorPage(models.interstitialError),
  'hand-off': handOffPage(models.handOff),
}

describe.each(Object.entries(PAGES))('the page %s', (_, page) => {
  const document = parse(page)

  it('has one h1, a title, a language and a viewport', () => {
    expect(all(document, 'h1')).toHaveLength(1)
    expect(text(one(document, 'title'))).toMatch(/.+ – Gatehouse$/)
    expect(attribute(one(document, 'html'), 'lang')).toBe('en')
    expect(page).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">')
  })

  it('labels every control', () => {
    const labelled = new Set(all(document, 'label').map((label) => attribute(label, 'for')))
    const inLabels = new Set(all(document, 'label').flatMap((label) => all(label, 'input')))
    for (const input of all(document, 'input').filter((field) => attribute(field, 'type') !== 'hidden')) {
      expect(labelled.has(attribute(input, 'id')) || inLabels.has(input), attribute(input, 'name')).toBe(true)
    }
    for (const control of [...all(document, 'button'), ...all(document, 'a'), ...all(document, 'summary')])
      expect(text(control).trim()).not.toBe('')
  })

  it('needs no script, no image and nothing from elsewhere (A-43, X-06)', () => {
    for (const name of ['script', 'img', 'link', 'iframe', 'object', 'base']) expect(all(document, name)).toEqual([])
    expect(page).not.toMatch(/\s(?:on\w+|style|src)=/)
    expect(text(one(document, 'style'))).not.toMatch(/url\(|@import/)
  })

  it('carries exactly the stylesheet whose hash the policy names (A-43)', () => {
    const hash = createHash('sha256')
      .update(text(one(document, 'style')))
      .digest('base64')
    expect(all(document, 'style')).toHaveLength(1)
    expect(PAGE_CSP).toContain(`style-src 'sha256-${hash}'`)
  })
})

describe('the headers of every page', () => {
  it('forbid frames, sniffing, caching, referrers and openers (A-22, A-34, B107)', () => {
    expect(pageHeaders()).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'x-robots-tag': 'noindex',
      'content-security-policy': PAGE_CSP,
    })
  })

  it('allow nothing but the stylesheet, and leave form-action out because Chromium applies it to redirects (A-39)', () => {
    const names = PAGE_CSP.split(';').map((directive) => directive.trim().replace(/'sha256-[^']+'/, 'HASH'))
    expect(names).toEqual(["default-src 'none'", 'style-src HASH', "frame-ancestors 'none'", "base-uri 'none'"])
  })
})

describe('the consent page', () => {
  it('says who asks, for what, what the server gets, where the answer goes and what comes next (A-32, A-42)', () => {
    const shown = text(one(parse(PAGES['consent for a website']), 'main'))
    for (const part of [
      'Allow access to GitHub?',
      'Claude',
      'Nobody has checked the name',
      'https://mcp.example.com/github',
      'your token from Example Corp',
      'claude.ai',
      'https://claude.ai/api/mcp/auth_callback',
      'mgh_client_4fJ2mX8dQ0',
      'mcp (use the server)',
      'you sign in with Example Corp',
    ])
      expect(shown).toContain(part)
    expect(shown).not.toContain('Any program on this computer')
  })

  it('warns that any program on this computer can ask when the answer stays there (R-44, B053)', () => {
    const shown = text(one(parse(PAGES['consent for a program on this computer']), 'main'))
    expect(shown).toContain('Any program on this computer could be asking.')
    expect(shown).toContain('http://localhost:33418/callback')
  })

  it('shows a private scheme in full, and that any app could claim it (RFC 8252 §8.6)', () => {
    const shown = text(one(parse(PAGES['consent with a choice of routes']), 'main'))
    expect(shown).toContain('cursor://anysphere.cursor-mcp/oauth/callback')
    expect(shown).toContain('Any app on this device could claim this address.')
  })

  it('vouches only for clients that the operator declared', () => {
    const registered = consentPage({
      ...models.choiceConsent,
      client: { ...models.choiceConsent.client, origin: 'registered' },
    })
    expect(PAGES['consent with a choice of routes']).toContain('Set up here by your administrator')
    expect(PAGES['consent with a choice of routes']).not.toContain('Nobody has checked')
    expect(registered).toContain('Nobody has checked')
    expect(registered).not.toContain('Set up here by your administrator')
  })

  it('puts the website that describes a client before the name that it gives itself (R-44)', () => {
    const shown = text(one(parse(PAGES['consent for a client that a website describes']), 'main'))
    const [host, name] = [shown.indexOf('claude.ai'), shown.indexOf('Claude Code')]
    expect(host).toBeGreaterThan(0)
    expect(name).toBeGreaterThan(host)
    expect(shown).toContain('Nobody has checked the name.')
    expect(shown).toContain('Any program on this computer could be asking.')
    expect(PAGES['consent for a program on this computer']).not.toContain('Published by')
  })

  it('is one form with deny before approve, so that the Enter key never approves', () => {
    const document = parse(PAGES['consent for a website'])
    const form = one(document, 'form')
    expect([attribute(form, 'method'), attribute(form, 'action')]).toEqual(['post', '/consent'])
    const buttons = all(form, 'button').map((button) => `${attribute(button, 'name')}=${attribute(button, 'value')}`)
    expect(buttons).toEqual(['decision=deny', 'decision=approve'])
    const hidden = all(form, 'input').map((input) => `${attribute(input, 'name')}=${attribute(input, 'value')}`)
    expect(hidden).toEqual(['interaction=6Jq0tK9w', 'proof=Zr3vY1cM'])
  })

  it('lets the user choose among several routes, none chosen beforehand, and deny without choosing (A-12)', () => {
    const document = parse(PAGES['consent with a choice of routes'])
    const radios = all(document, 'input').filter((input) => attribute(input, 'type') === 'radio')
    expect(radios.map((radio) => attribute(radio, 'value'))).toEqual(['/github', '/wiki', '/clock'])
    for (const radio of radios) {
      expect(attribute(radio, 'name')).toBe('route')
      expect(attribute(radio, 'required')).toBe('')
      expect(attribute(radio, 'checked')).toBeUndefined()
    }
    const [deny, approve] = all(document, 'button')
    expect(deny && attribute(deny, 'formnovalidate')).toBe('')
    expect(approve && attribute(approve, 'formnovalidate')).toBeUndefined()
  })
})

describe('the steps', () => {
  it.each([
    ['consent as the first of three steps', 0],
    ['sign-in', 1],
    ['connect', 2],
  ] as const)('stand on %s as an ordered list with one current entry, and in words', (name, current) => {
    const nav = one(parse(PAGES[name]), 'nav')
    const entries = all(one(nav, 'ol'), 'li')
    expect(entries.map(text)).toEqual(['Approve', 'Sign in at home', 'Connect GitHub'])
    expect(entries.map((entry) => attribute(entry, 'aria-current'))).toEqual(
      entries.map((_, index) => (index === current ? 'step' : undefined)),
    )
    expect(text(one(nav, 'p'))).toBe(`Step ${current + 1} of 3`)
    expect(attribute(nav, 'aria-label')).toBe('Steps')
  })

  it('are left out where there are none to speak of', () => {
    for (const name of ['consent for a website', 'error', 'hand-off'] as const)
      expect(all(parse(PAGES[name]), 'nav')).toEqual([])
  })
})

describe('what the consent page says of a shared account', () => {
  it('is that it is shared, and what the operator adds (U-15)', () => {
    const shown = text(one(parse(PAGES['consent for a shared account']), 'main'))
    expect(shown).toContain('Everybody who uses this server acts as the same account there.')
    expect(shown).toContain('Everything is done as the account release-bot.')
    expect(PAGES['consent for a website']).not.toContain('same account')
  })
})

describe('the page for a user’s own token', () => {
  const decisions = (page: string) => all(parse(page), 'button').map((button) => attribute(button, 'value'))

  it('asks whether a token that works is the right one, and still takes another', () => {
    const shown = text(one(parse(PAGES['connect with a token that works']), 'main'))
    expect(shown).toMatch(/belongs to this account[\s\S]*octocat-work[\s\S]*repo, read:org[\s\S]*2027-03-01/)
    expect(shown).toContain('takes the place of the token that you gave before')
    expect(decisions(PAGES['connect with a token that works'])).toEqual(['keep', 'deny', 'connect'])
  })

  it('offers to keep nothing that was not tried', () => {
    expect(decisions(PAGES.connect)).toEqual(['deny', 'connect'])
    expect(decisions(PAGES['connect with a kept token'])).toEqual(['reuse', 'deny', 'connect'])
  })
})

describe('the sign-in page', () => {
  it('suits password managers', () => {
    const [username, password] = all(parse(PAGES['sign-in']), 'input').filter(
      (input) => attribute(input, 'type') !== 'hidden',
    )
    expect(username && [attribute(username, 'name'), attribute(username, 'autocomplete')]).toEqual([
      'username',
      'username',
    ])
    expect(
      password && [attribute(password, 'name'), attribute(password, 'autocomplete'), attribute(password, 'type')],
    ).toEqual(['password', 'current-password', 'password'])
  })

  it('announces a failure at the fields, and only after one', () => {
    const failed = parse(PAGES['failed sign-in'])
    const alert = all(failed, 'p').find((element) => attribute(element, 'role') === 'alert')
    const described = all(failed, 'input').filter((input) => attribute(input, 'aria-invalid') === 'true')
    expect(described.map((input) => attribute(input, 'name'))).toEqual(['username', 'password'])
    for (const input of described) expect(attribute(input, 'aria-describedby')).toBe(alert && attribute(alert, 'id'))
    expect(PAGES['sign-in']).not.toMatch(/role="alert"|aria-invalid="|Sign-in failed/)
  })
})

describe('the error page', () => {
  it('links to the client only when told to, and names the host (A-18)', () => {
    expect(all(parse(PAGES.error), 'a')).toEqual([])
    const document = parse(PAGES['error with a link'])
    expect(all(document, 'a').map((link) => attribute(link, 'href'))).toEqual([models.interstitialError.continue?.href])
    expect(text(one(document, 'main'))).toContain('app.example.net')
    expect(PAGES['error with a link']).not.toContain('http-equiv')
  })

  it('never links to something that runs (B115)', () => {
    const link = { host: 'x', label: 'Go', href: 'javascript:alert(1)' }
    expect(() => errorPage({ ...models.plainError, continue: link })).toThrow('may not link')
  })
})

describe('the hand-off page', () => {
  it('goes to the client by itself and offers the same address as a link (A-41)', () => {
    const document = parse(PAGES['hand-off'])
    const refresh = all(document, 'meta').find((meta) => attribute(meta, 'http-equiv') === 'refresh')
    expect(refresh && attribute(refresh, 'content')).toBe(`0;url=${models.handOff.href}`)
    expect(all(document, 'a').map((link) => attribute(link, 'href'))).toEqual([models.handOff.href])
  })

  it('never goes to something that runs (B115)', () => {
    expect(() => handOffPage({ ...models.handOff, href: 'data:text/html,x' })).toThrow('may not link')
  })
})

function all(node: Node, name: string): Element[] {
  const inner = 'childNodes' in node ? node.childNodes.flatMap((child) => all(child, name)) : []
  return 'tagName' in node && node.tagName === name ? [node, ...inner] : inner
}

function one(node: Node, name: string): Element {
  const [element] = all(node, name)
  if (!element) throw new Error(`no ${name} in the page`)
  return element
}

function attribute(element: Element, name: string): string | undefined {
  return element.attrs.find((attr) => attr.name === name)?.value
}

function text(node: Node): string {
  if (node.nodeName === '#text' && 'value' in node) return node.value
  return 'childNodes' in node ? node.childNodes.map(text).join('') : ''
}
