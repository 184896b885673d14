import { checkTokenProvider } from './credential-checks.ts'
import type { ConfigPath, Fault, PlacedFault } from './fault.ts'
import { parseInjectedName } from './header-names.ts'
import { leadsTo, parseListenAddress } from './listen-address.ts'
import { checkMessageRules } from './message-rules-checks.ts'
import { keysOf } from './planned.ts'
import { valueAt } from './shape.ts'
import { parsePublicUrl, parseUpstream } from './web-address.ts'

/** First segments of our own endpoints (DESIGN 1.3). */
const OWN_SEGMENTS = new Set(
  '.well-known register authorize consent callback connect token revoke introspect'.split(' '),
)

/** Kinds of credentials that are good for nothing unless they are sent. */
const SENT_KINDS = new Set(['static', 'provider-token', 'token-exchange', 'user-pat', 'signed-jwt'])

/** Faults of routes that no single value shows: their paths, and how their parts fit together and to the rest. */
export function checkRoutes(root: unknown): PlacedFault[] {
  const paths = keysOf(root, ['routes'])
  const folded = paths.map((path) => path.toLowerCase())
  return paths.flatMap((path, index) => {
    const at: ConfigPath = ['routes', path]
    const broken = checkRoutePath(path)
    const isTwin = folded.indexOf(path.toLowerCase()) !== index
    return [
      ...(broken ? [{ path: at, ...broken }] : []),
      ...(isTwin
        ? [{ path: at, problem: 'differs from another route only in upper and lower case', fix: 'rename one' }]
        : []),
      ...checkMessages(root, path, folded),
      ...checkSignIn(root, at),
      ...checkAllow(root, at),
      ...checkLoop(root, at),
      ...checkInject(root, at),
      ...checkMessageRules(root, at),
    ]
  })
}

/** What is wrong with a public path; undefined when nothing is. */
export function checkRoutePath(path: string): Fault | undefined {
  const fix = 'write a path such as /github or /team/github'
  if (!path.startsWith('/')) return { problem: 'does not start with a slash', fix }
  if (path === '/')
    return { problem: 'is the root, which this version keeps for itself', fix: `${fix}; its clients then use that URL` }
  if (path.endsWith('/')) return { problem: 'ends with a slash', fix: 'remove the slash at the end' }
  if (path.includes('%')) return { problem: 'holds percent-encoding', fix }
  const segments = path.slice(1).split('/')
  if (segments.some((segment) => /^\.{0,2}$/.test(segment))) return { problem: 'holds an empty or a dot segment', fix }
  if (path.length > 200 || !segments.every((segment) => /^[A-Za-z0-9._~-]+$/.test(segment)))
    return { problem: 'holds other characters than A-Z a-z 0-9 . _ ~ - or is too long', fix }
  return OWN_SEGMENTS.has(segments[0]?.toLowerCase() ?? '')
    ? { problem: "stands at or below one of the gateway's own endpoints", fix: 'choose another first segment' }
    : undefined
}

/** A route of the old transport has a second path, where clients post their messages (P-101). */
function checkMessages(root: unknown, path: string, folded: readonly string[]): PlacedFault[] {
  if (valueAt(root, ['routes', path, 'transport']) !== 'sse') return []
  return folded.includes(`${path}/messages`.toLowerCase())
    ? [
        {
          path: ['routes', path, 'transport'],
          problem: `needs ${path}/messages, which is another route`,
          fix: 'rename one of the two routes',
        },
      ]
    : []
}

function checkSignIn(root: unknown, route: ConfigPath): PlacedFault[] {
  const signIn = valueAt(root, [...route, 'sign_in'])
  const external = checkExternal(root, route)
  if (external) return external
  const names = keysOf(root, ['providers'])
  if (typeof signIn !== 'string') return []
  if (!names.includes(signIn)) {
    const fix =
      names.length === 0
        ? 'declare it under providers'
        : `write one of: ${names.filter((name) => /^[a-z0-9_-]{1,64}$/.test(name)).join(', ')}`
    return [{ path: [...route, 'sign_in'], problem: 'names a provider that does not exist', fix }]
  }
  return checkTokenProvider(root, route, signIn)
}

/** A route says who vouches for its users: sign_in, or authorization, and what then goes with it. */
function checkExternal(root: unknown, route: ConfigPath): PlacedFault[] | undefined {
  const isExternal = valueAt(root, [...route, 'authorization']) !== undefined
  const hasSignIn = valueAt(root, [...route, 'sign_in']) !== undefined
  if (!isExternal)
    return hasSignIn
      ? undefined
      : [{ path: route, problem: 'does not say where users sign in', fix: 'add sign_in: and the name of a provider' }]
  if (hasSignIn)
    return [{ path: [...route, 'sign_in'], problem: 'stands beside authorization', fix: 'keep one of the two' }]
  const kind = valueAt(root, [...route, 'credential', 'kind'])
  return kind === 'provider-token' || kind === 'token-exchange' || kind === 'user-pat'
    ? [
        {
          path: [...route, 'credential', 'kind'],
          problem: 'needs the user to sign in with us, but authorization names other servers',
          fix: 'use kind: none, static or signed-jwt, or sign_in instead of authorization',
        },
      ]
    : []
}

function checkAllow(root: unknown, route: ConfigPath): PlacedFault[] {
  const path = [...route, 'allow']
  const allow = valueAt(root, path)
  if (typeof allow !== 'object' || allow === null || Array.isArray(allow)) return []
  const fix = 'name somebody, or leave it out to let everybody in who can sign in'
  if (keysOf(root, path).length === 0) return [{ path, problem: 'is empty: it would lock everyone out', fix }]
  const signIn = valueAt(root, [...route, 'sign_in'])
  const isPassword = typeof signIn === 'string' && valueAt(root, ['providers', signIn, 'type']) === 'password'
  if (isPassword && keysOf(root, path).join() === 'groups')
    return [
      { path, problem: 'asks for groups, which a password provider has not: nobody could get in', fix: 'list users' },
    ]
  return ['email_domains', 'groups', 'users']
    .map((list) => [...path, list])
    .filter((list) => isEmptyList(valueAt(root, list)))
    .map((list) => ({
      path: list,
      problem: 'is empty: it lets nobody in',
      fix: 'name somebody, or leave the list out',
    }))
}

/** a request that comes back to us would run in circles. */
function checkLoop(root: unknown, route: ConfigPath): PlacedFault[] {
  const path = [...route, 'upstream']
  const upstream = readText(valueAt(root, path), parseUpstream)
  if (!upstream) return []
  const fix = 'write the address of the MCP server itself'
  const publicUrl = readText(valueAt(root, ['public_url']), parsePublicUrl)
  if (publicUrl === upstream.origin) return [{ path, problem: 'leads back to public_url', fix }]
  const listen = readText(valueAt(root, ['listen']) ?? '127.0.0.1:8080', parseListenAddress)
  const operations = readText(valueAt(root, ['operations', 'listen']) ?? '127.0.0.1:9090', parseListenAddress)
  if (listen && leadsTo(upstream, listen)) return [{ path, problem: 'leads back to our own listen address', fix }]
  return operations && leadsTo(upstream, operations)
    ? [{ path, problem: 'leads to our own operations listener', fix }]
    : []
}

function checkInject(root: unknown, route: ConfigPath): PlacedFault[] {
  const at = [...route, 'inject']
  const names = keysOf(root, at)
  const folded = names.map((name) => name.toLowerCase())
  const credential = valueAt(root, [...route, 'credential'])
  const kind = credential === undefined ? 'none' : valueAt(credential, ['kind'])
  const faults = names.flatMap((name, index): PlacedFault[] => {
    const path = [...at, name]
    const parsed = parseInjectedName(name)
    const value = valueAt(root, path)
    return [
      ...(parsed.ok ? [] : [{ path, ...parsed.failure }]),
      ...(folded.indexOf(name.toLowerCase()) === index
        ? []
        : [{ path, problem: 'is the same header as another one in other letters', fix: 'keep one of the two' }]),
      ...(kind === 'none' && usesCredential(value)
        ? [
            {
              path,
              problem: 'uses {credential}, but credential is none',
              fix: 'give the route a credential, or use {user.sub} or {user.email}',
            },
          ]
        : []),
    ]
  })
  const isUnused =
    typeof kind === 'string' && SENT_KINDS.has(kind)
      ? !names.some((name) => usesCredential(valueAt(root, [...at, name])))
      : false
  if (isUnused && valueAt(root, at) !== undefined && keysOf(root, at).length === names.length)
    faults.push({
      path: at,
      problem: 'does not use {credential}, so the MCP server would never get it',
      fix: 'add a header such as Authorization: "Bearer {credential}", or leave out credential',
    })
  return [...faults, ...checkDoubleBearer(root, route)]
}

/** A classic: the value brings the word that the template already has. */
function checkDoubleBearer(root: unknown, route: ConfigPath): PlacedFault[] {
  const path = [...route, 'credential', 'value']
  const value = valueAt(root, path)
  if (typeof value !== 'string' || !/^bearer /i.test(value)) return []
  const inject = [...route, 'inject']
  const templates = keysOf(root, inject).map((name) => valueAt(root, [...inject, name]))
  const doubles =
    valueAt(root, inject) === undefined ||
    templates.some((it) => typeof it === 'string' && /bearer \{credential\}/i.test(it))
  return doubles
    ? [{ path, problem: 'starts with the word Bearer, which inject adds', fix: 'write the token alone' }]
    : []
}

function usesCredential(template: unknown): boolean {
  return typeof template === 'string' && template.includes('{credential}')
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}

function readText<T>(value: unknown, parse: (text: string) => { ok: true; value: T } | { ok: false }): T | undefined {
  const parsed = typeof value === 'string' ? parse(value) : undefined
  return parsed?.ok ? parsed.value : undefined
}
