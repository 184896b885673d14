import { createHash, randomBytes } from 'node:crypto'

/** Where the code is sent; nothing listens there, the redirect is read instead of followed. */
const REDIRECT_URI = 'http://127.0.0.1:9/callback'

export interface SignIn {
  /** The gateway's issuer. */
  readonly issuer: string
  readonly resource: string
  /** Who signs in; without it the server is expected to approve at once. */
  readonly user?: { readonly username: string; readonly password: string }
}

/**
 * An access token by the whole flow, as an MCP client and a browser without JavaScript would go through it: register
 * (RFC 7591), authorize with PKCE (RFC 7636), consent, password, code, token. Throws where it stops.
 */
export async function obtainToken(signIn: SignIn): Promise<string> {
  const { issuer, resource, user } = signIn
  const clientId = await register(issuer)
  const verifier = randomBytes(32).toString('base64url')
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: REDIRECT_URI,
    resource,
    state: randomBytes(8).toString('hex'),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  const browser = createBrowser(issuer)
  const first = await browser.get(`${issuer}/authorize?${query}`)
  const finished = user ? await browser.submit(await browser.submit(first, { decision: 'approve' }), user) : first
  const code = new URL(finished.redirectedTo ?? issuer).searchParams.get('code')
  if (code === null) throw new Error(`no code came back: ${finished.status}`)
  return redeem(issuer, { code, code_verifier: verifier, client_id: clientId, resource })
}

async function register(issuer: string): Promise<string> {
  const answer = await fetch(`${issuer}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'bench',
      redirect_uris: [REDIRECT_URI],
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    }),
  })
  return field(answer, 'client_id')
}

async function redeem(issuer: string, parameters: Record<string, string>): Promise<string> {
  const body = new URLSearchParams({ grant_type: 'authorization_code', redirect_uri: REDIRECT_URI, ...parameters })
  return field(await fetch(`${issuer}/token`, { method: 'POST', body }), 'access_token')
}

async function field(answer: Response, name: string): Promise<string> {
  const text = await answer.text()
  const value: unknown = (JSON.parse(text) as Record<string, unknown>)[name]
  if (!answer.ok || typeof value !== 'string') throw new Error(`no ${name}: ${answer.status} ${text}`)
  return value
}

interface Page {
  readonly url: string
  readonly status: number
  readonly html: string
  /** Where the page would send the browser, if that is not ours. */
  readonly redirectedTo: string | undefined
}

/** A browser as far as the flow needs one: cookies, redirects within the gateway, forms with hidden fields. */
function createBrowser(issuer: string) {
  const cookies = new Map<string, string>()

  async function load(url: string, form?: URLSearchParams): Promise<Page> {
    const answer = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form && { method: 'POST', body: form }),
    })
    for (const cookie of answer.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';')
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
    }
    const html = await answer.text()
    const location = answer.headers.get('location')
    const target = location === null ? undefined : new URL(location, url).href
    if (target?.startsWith(`${issuer}/`)) return load(target)
    return { url, status: answer.status, html, redirectedTo: target }
  }

  return {
    get: (url: string) => load(url),
    submit(page: Page, fields: Record<string, string>): Promise<Page> {
      const action = /<form[^>]*action="([^"]*)"/.exec(page.html)?.[1]
      if (action === undefined) throw new Error(`no form on the page: ${page.status} ${page.url}`)
      const form = new URLSearchParams(fields)
      for (const [, name = '', value = ''] of page.html.matchAll(/type="hidden" name="([^"]*)" value="([^"]*)"/g)) {
        form.set(name, unescaped(value))
      }
      return load(new URL(unescaped(action), page.url).href, form)
    },
  }
}

function unescaped(html: string): string {
  return html
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
}
