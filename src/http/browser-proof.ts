import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import cookie, { type CookieSerializeOptions } from '@fastify/cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { hashToken } from '../domain/token.ts'

/** Minutes are enough for a sign-in; the same bound as the interaction itself. */
export const INTERACTION_TTL_MS = 10 * 60 * 1000
/** How many sign-ins one browser may have under way; older cookies are dropped beyond that. */
const MAX_PARALLEL = 12
const VALUE = /^[A-Za-z0-9_-]{43}$/

/** Proof that a later request comes from the same browser: one cookie for our forms, one for each approved sign-in. */
export interface BrowserProof {
  readonly cookieOptions: CookieSerializeOptions
  /** The full name of one of our cookies. */
  cookieName(name: string): string
  /** The browser's cookie for forms, set on first use. It proves nothing to a callback. */
  formCookie(request: FastifyRequest, reply: FastifyReply): string
  /** The same cookie, if the browser has it. */
  presentFormCookie(request: FastifyRequest): string | undefined
  /** The CSRF token of one form in one browser; the same on every load of the same interaction. */
  formToken(cookie: string, interactionId: string): string
  /** Whether a posted form was rendered for this browser and interaction. */
  verifiesForm(request: FastifyRequest, interactionId: string, token: string | undefined): boolean
  /** Binds the browser that has just approved to its interaction; returns the hash to keep. */
  bind(request: FastifyRequest, reply: FastifyReply, interactionId: string): string
  /** Whether this is the browser that approved (RFC 9700 §4.7.1, session binding of the callback). */
  isBound(request: FastifyRequest, interactionId: string, browserHash: string): boolean
  release(reply: FastifyReply, interactionId: string): void
}

/** Makes cookies readable and settable on every request of `app`. */
export async function acceptCookies(app: FastifyInstance): Promise<void> {
  await app.register(cookie)
}

/**
 * Browser proofs over signed form tokens and random cookies. `secure` is false only for an http loopback gateway, where
 * some browsers refuse `Secure` cookies: names then do without the `__Host-` prefix. The cookie for forms lives as long as
 * the browser is open, or for `keepForMs`.
 */
export function createBrowserProof(
  keys: readonly [Uint8Array, ...Uint8Array[]],
  secure: boolean,
  keepForMs?: number,
): BrowserProof {
  const prefix = secure ? '__Host-gatehouse' : 'gatehouse'
  const formName = `${prefix}-form`
  const bindingName = (interactionId: string) => `${prefix}-txn-${interactionId.slice(0, 12)}`
  const options: CookieSerializeOptions = { path: '/', httpOnly: true, secure, sameSite: 'lax' }
  const sign = (key: Uint8Array, cookie: string, interactionId: string) =>
    createHmac('sha256', key).update(`${interactionId}.${cookie}`).digest()

  const formOptions = keepForMs === undefined ? options : { ...options, maxAge: Math.floor(keepForMs / 1000) }

  return {
    cookieOptions: options,
    cookieName: (name) => `${prefix}-${name}`,
    presentFormCookie: (request) => readCookie(request, formName),
    formCookie(request, reply) {
      const present = readCookie(request, formName)
      if (present !== undefined) return present
      const fresh = randomBytes(32).toString('base64url')
      reply.setCookie(formName, fresh, formOptions)
      return fresh
    },
    formToken: (cookie, interactionId) => sign(keys[0], cookie, interactionId).toString('base64url'),
    verifiesForm(request, interactionId, token) {
      const cookie = readCookie(request, formName)
      if (cookie === undefined || token === undefined || !VALUE.test(token)) return false
      const presented = Buffer.from(token, 'base64url')
      return keys.some((key) => timingSafeEqual(sign(key, cookie, interactionId), presented))
    },
    bind(request, reply, interactionId) {
      const others = Object.keys(request.cookies).filter((name) => name.startsWith(`${prefix}-txn-`))
      // Browsers send the oldest first (RFC 6265 §5.4).
      for (const name of others.slice(0, -(MAX_PARALLEL - 1))) reply.clearCookie(name, options)
      const value = randomBytes(32).toString('base64url')
      reply.setCookie(bindingName(interactionId), value, { ...options, maxAge: INTERACTION_TTL_MS / 1000 })
      return hashToken(value)
    },
    isBound(request, interactionId, browserHash) {
      const value = readCookie(request, bindingName(interactionId))
      return value !== undefined && timingSafeEqual(Buffer.from(hashToken(value)), Buffer.from(browserHash))
    },
    release(reply, interactionId) {
      reply.clearCookie(bindingName(interactionId), options)
    },
  }
}

/**
 * Whether a form post came from our own page. Browsers say so in Sec-Fetch-Site; under `Referrer-Policy: no-referrer`
 * they send `Origin: null`, which therefore counts only together with Sec-Fetch-Site.
 */
export function isSameOriginPost(request: FastifyRequest, publicUrl: string): boolean {
  const site = request.headers['sec-fetch-site']
  const origin = request.headers.origin
  if (origin !== undefined && origin !== 'null' && origin !== publicUrl) return false
  if (site !== undefined) return site === 'same-origin'
  return origin === undefined || origin === publicUrl
}

/** Whether the page would be shown inside another page or before the user asked for it; such loads must change nothing. */
export function isFramedOrPrefetched(request: FastifyRequest): boolean {
  const destination = request.headers['sec-fetch-dest']
  const purpose = `${request.headers['sec-purpose'] ?? ''} ${request.headers.purpose ?? ''}`
  return (
    (destination !== undefined && destination !== 'document' && destination !== 'empty') ||
    /prefetch|prerender/.test(purpose)
  )
}

/** A cookie's value if it was sent exactly once and has our form; a duplicate name is somebody's planting. */
function readCookie(request: FastifyRequest, name: string): string | undefined {
  const occurrences = (request.headers.cookie ?? '').split(';').filter((pair) => pair.trim().startsWith(`${name}=`))
  const value = request.cookies[name]
  return occurrences.length === 1 && value !== undefined && VALUE.test(value) ? value : undefined
}
