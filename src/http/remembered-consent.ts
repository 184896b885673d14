import { createHmac, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { hashToken } from '../domain/token.ts'
import type { BrowserProof } from './browser-proof.ts'

/** What an approval was about; any difference is another question. */
export interface ConsentKey {
  readonly clientId: string
  readonly redirectUri: string
  readonly routePath: string
  readonly scopes: readonly string[]
  /** Hash of what the client said about itself when the user approved. */
  readonly clientHash: string
}

/** Approvals that a browser may be spared for a while; nothing about them is stored here. */
export interface RememberedConsent {
  /** Notes an approval in the browser; `owner` identifies the user who signed in, as a hash. */
  remember(request: FastifyRequest, reply: FastifyReply, key: ConsentKey, owner: string): void
  /** Who approved this before in this browser, if the visit is one that the user made (Sec-Fetch-Site). */
  recall(request: FastifyRequest, key: ConsentKey): string | undefined
  forget(reply: FastifyReply, key: ConsentKey): void
}

/** Approvals that one browser keeps: with all its cookies, a request has to stay below what is read of its header lines. */
const MAX_REMEMBERED = 32

/** Remembered consent for `ttlMs`, in cookies that are signed together with the cookie of the browser. */
export function createRememberedConsent(
  keys: readonly [Uint8Array, ...Uint8Array[]],
  browserProof: BrowserProof,
  ttlMs: number,
  now: () => number,
): RememberedConsent {
  const text = (key: ConsentKey) =>
    JSON.stringify([key.clientId, key.redirectUri, key.routePath, key.scopes, key.clientHash])
  const prefix = browserProof.cookieName('ok-')
  const nameOf = (key: ConsentKey) => prefix + hashToken(text(key)).slice(0, 16)
  const sign = (secret: Uint8Array, browser: string, key: ConsentKey, owner: string, until: string) =>
    createHmac('sha256', secret)
      .update(JSON.stringify(['consent', browser, text(key), owner, until]))
      .digest()

  return {
    remember(request, reply, key, owner) {
      const browser = browserProof.formCookie(request, reply)
      const until = String(now() + ttlMs)
      const mac = sign(keys[0], browser, key, owner, until).toString('base64url')
      const others = Object.keys(request.cookies).filter((name) => name.startsWith(prefix) && name !== nameOf(key))
      // Browsers send the oldest first (RFC 6265 §5.4).
      for (const name of others.slice(0, -(MAX_REMEMBERED - 1))) reply.clearCookie(name, browserProof.cookieOptions)
      reply.setCookie(nameOf(key), `${until}.${owner}.${mac}`, {
        ...browserProof.cookieOptions,
        maxAge: Math.floor(ttlMs / 1000),
      })
    },
    recall(request, key) {
      const site = request.headers['sec-fetch-site']
      // Another site that sends the user here must not be able to use an approval that it did not get.
      if (site !== 'none' && site !== 'same-origin') return undefined
      const browser = browserProof.presentFormCookie(request)
      const [until = '', owner = '', mac = '', ...more] = (request.cookies[nameOf(key)] ?? '').split('.')
      if (browser === undefined || more.length > 0 || !(Number(until) > now())) return undefined
      const presented = Buffer.from(mac, 'base64url')
      const isOurs = keys.some((secret) => {
        const expected = sign(secret, browser, key, owner, until)
        return expected.length === presented.length && timingSafeEqual(expected, presented)
      })
      return isOurs ? owner : undefined
    },
    forget(reply, key) {
      reply.clearCookie(nameOf(key), browserProof.cookieOptions)
    },
  }
}
