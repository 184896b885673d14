import { parseEncryptionKey } from '../domain/encryption-key.ts'
import { parseDuration } from './duration.ts'
import type { ConfigPath, PlacedFault } from './fault.ts'
import { collide, parseListenAddress } from './listen-address.ts'
import { keysOf } from './planned.ts'
import { checkRoutes } from './route-checks.ts'
import { valueAt } from './shape.ts'
import { checkUpstreamClients } from './upstream-clients-checks.ts'
import { parseIssuer, parsePublicUrl } from './web-address.ts'

/**
 * Everything that several values decide together, or that is about names. It reads the plain values, so that it finds
 * its faults in the same run as the schema finds its own.
 */
export function checkTogether(root: unknown): PlacedFault[] {
  return [
    ...checkListeners(root),
    ...checkKeys(root),
    ...checkProviders(root),
    ...(isEmptyBlock(root, ['routes'])
      ? [{ path: ['routes'], problem: 'holds no route', fix: 'add one, such as /github: { upstream: …, sign_in: … }' }]
      : []),
    ...checkRoutes(root),
    ...checkRegistration(root),
    ...checkStaticClients(root),
    ...checkTokens(root),
  ]
}

function checkListeners(root: unknown): PlacedFault[] {
  const [listen, operations] = [
    valueAt(root, ['listen']) ?? '127.0.0.1:8080',
    valueAt(root, ['operations', 'listen']) ?? '127.0.0.1:9090',
  ].map((text) => (typeof text === 'string' ? parseListenAddress(text) : undefined))
  return listen?.ok && operations?.ok && collide(listen.value, operations.value)
    ? [
        {
          path: ['operations', 'listen'],
          problem: 'is the same address as listen',
          fix: 'give health and metrics a port of their own, such as 127.0.0.1:9090',
        },
      ]
    : []
}

function checkKeys(root: unknown): PlacedFault[] {
  const keys = valueAt(root, ['encryption_keys'])
  if (!Array.isArray(keys)) return []
  const bytes = keys.map((key) => {
    const parsed = typeof key === 'string' ? parseEncryptionKey(key) : undefined
    return parsed && Buffer.from(parsed).toString('hex')
  })
  return bytes.flatMap((key, index) =>
    key !== undefined && bytes.indexOf(key) !== index
      ? [
          {
            path: ['encryption_keys', index],
            problem: 'is the same key as an earlier one',
            fix: 'remove one of the two',
          },
        ]
      : [],
  )
}

function checkProviders(root: unknown): PlacedFault[] {
  if (isEmptyBlock(root, ['providers']))
    return [{ path: ['providers'], problem: 'holds no provider', fix: 'add one where people sign in' }]
  const publicUrl = valueAt(root, ['public_url'])
  const issuerOfOurs = typeof publicUrl === 'string' && parsePublicUrl(publicUrl).ok ? publicUrl : undefined
  return keysOf(root, ['providers']).flatMap((name): PlacedFault[] => {
    const path: ConfigPath = ['providers', name]
    const issuer = valueAt(root, [...path, 'issuer'])
    const scopes = valueAt(root, [...path, 'scopes'])
    const isOwn = typeof issuer === 'string' && parseIssuer(issuer).ok && new URL(issuer).origin === issuerOfOurs
    const isOidc = valueAt(root, [...path, 'type']) === 'oidc'
    return [
      ...(/^[a-z0-9][a-z0-9_-]{0,63}$/.test(name)
        ? []
        : [{ path, problem: 'is not a provider name', fix: 'use a-z, 0-9, _ and -: it becomes part of a URL' }]),
      ...(isOwn
        ? [
            {
              path: [...path, 'issuer'],
              problem: 'is our own public_url',
              fix: 'write the issuer of your identity provider',
            },
          ]
        : []),
      ...(isOidc && Array.isArray(scopes) && !scopes.includes('openid')
        ? [{ path: [...path, 'scopes'], problem: 'lacks openid, without which nobody can sign in', fix: 'add openid' }]
        : []),
      ...checkUsers(root, [...path, 'users']),
      ...checkUpstreamClients(root, path),
    ]
  })
}

function checkUsers(root: unknown, path: ConfigPath): PlacedFault[] {
  if (isEmptyBlock(root, path))
    return [
      {
        path,
        problem: 'is empty: nobody could sign in',
        fix: 'add a user name with a hash from `gatehouse hash-password`',
      },
    ]
  return keysOf(root, path)
    .filter((user) => !/^[^\s\p{C}$](?:[^\p{C}$]{0,62}[^\s\p{C}$])?$/u.test(user) || user.normalize('NFC') !== user)
    .map((user) => ({
      path: [...path, user],
      problem: 'is not a user name',
      fix: 'use 1 to 64 visible characters without $, and put the hash in quotes',
    }))
}

function checkRegistration(root: unknown): PlacedFault[] {
  const isApproved = valueAt(root, ['clients', 'registration']) === 'approved'
  const path: ConfigPath = ['clients', 'approved_redirects']
  const isListed = valueAt(root, path) !== undefined
  if (isApproved && !isListed) {
    const fix = 'list what clients may register, such as https://claude.ai or http://localhost'
    return [{ path: ['clients', 'registration'], problem: 'is approved, but approved_redirects is missing', fix }]
  }
  return isListed && !isApproved
    ? [{ path, problem: 'has no effect', fix: 'write registration: approved, or remove approved_redirects' }]
    : []
}

function checkStaticClients(root: unknown): PlacedFault[] {
  const clients = valueAt(root, ['clients', 'static'])
  if (!Array.isArray(clients)) return []
  const ids = clients.map((client) => valueAt(client, ['client_id']))
  return clients.flatMap((client, index): PlacedFault[] => {
    const path: ConfigPath = ['clients', 'static', index]
    const method = valueAt(client, ['token_endpoint_auth_method']) ?? 'none'
    const hasSecret = valueAt(client, ['client_secret']) !== undefined
    const isTwin = typeof ids[index] === 'string' && ids.indexOf(ids[index]) !== index
    return [
      ...(isTwin
        ? [{ path: [...path, 'client_id'], problem: 'is already taken by an earlier client', fix: 'choose another id' }]
        : []),
      ...(hasSecret && (method === 'none' || method === 'private_key_jwt')
        ? [
            {
              path: [...path, 'client_secret'],
              problem: 'is given, but the client would never have to show it',
              fix: 'add token_endpoint_auth_method: client_secret_basic, or remove the secret',
            },
          ]
        : []),
      ...(!hasSecret && (method === 'client_secret_basic' || method === 'client_secret_post')
        ? [
            {
              path: [...path, 'token_endpoint_auth_method'],
              problem: 'asks for a secret that is not there',
              fix: 'add client_secret, or write none',
            },
          ]
        : []),
      ...checkClientKeys(client, path, method),
    ]
  })
}

function checkClientKeys(client: unknown, path: ConfigPath, method: unknown): PlacedFault[] {
  const [given, other] = ['jwks', 'jwks_uri'].filter((name) => valueAt(client, [name]) !== undefined)
  if (method === 'private_key_jwt' && given === undefined) {
    const fix = 'add jwks or jwks_uri, or write none'
    return [{ path: [...path, 'token_endpoint_auth_method'], problem: 'asks for keys that are not there', fix }]
  }
  if (given === undefined) return []
  if (method !== 'private_key_jwt') {
    const fix = 'add token_endpoint_auth_method: private_key_jwt, or remove the keys'
    return [{ path: [...path, given], problem: 'is given, but the client would never have to use it', fix }]
  }
  return other === undefined
    ? []
    : [{ path: [...path, other], problem: 'is given besides jwks', fix: 'keep one of the two' }]
}

function checkTokens(root: unknown): PlacedFault[] {
  const path: ConfigPath = ['tokens', 'refresh_idle_ttl']
  const [idle, absolute] = [valueAt(root, path) ?? '30d', valueAt(root, ['tokens', 'refresh_ttl']) ?? '180d'].map(
    (text) => (typeof text === 'string' ? parseDuration(text, '365d') : undefined),
  )
  return idle?.ok && absolute?.ok && idle.value > absolute.value
    ? [
        {
          path: valueAt(root, path) === undefined ? ['tokens', 'refresh_ttl'] : path,
          problem: 'makes refresh_idle_ttl longer than refresh_ttl',
          fix: 'make refresh_idle_ttl the shorter one, or leave both out (30d and 180d)',
        },
      ]
    : []
}

function isEmptyBlock(root: unknown, path: ConfigPath): boolean {
  const value = valueAt(root, path)
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0
}
