import type { Client } from '../../src/domain/client.ts'
import type { Grant } from '../../src/domain/grant.ts'
import { newId } from '../../src/domain/token.ts'
import type { AccessRow, CodeRow, CredentialRow } from '../../src/storage/records.ts'

/** When everything happens, ms since 1970; the lengths of time are in ms, too. */
export const NOW = 1_800_000_000_000
export const MINUTE = 60_000
export const DAY = 86_400_000
export const GRACE = MINUTE
/** How many callers race. */
export const CALLERS = 50

/** Ids and texts that trip code which takes them for something else. */
export const STRANGE = [
  '__proto__',
  'constructor',
  'ключ-鍵-🔑',
  "o'; DROP TABLE grants; --",
  '%',
  '',
  'x'.repeat(20_000),
]

/** A public client of its own, with what `about` adds. */
export function aClient(about: Partial<Client>): Client {
  return {
    clientId: newId(),
    origin: 'registered',
    redirectUris: ['http://127.0.0.1/callback', 'cursor://anysphere.cursor-mcp/oauth/callback'],
    tokenEndpointAuthMethod: 'none',
    grantTypes: ['authorization_code', 'refresh_token'],
    applicationType: 'native',
    createdAt: NOW,
    ...about,
  }
}

/** A pending grant of its own that ends in half a year. */
export function aGrant(): Grant {
  return {
    id: newId(),
    clientId: 'client',
    routePath: '/github',
    resource: 'https://mcp.example.com/github',
    scopes: ['mcp', 'tools'],
    sealedIdentity: 'sealed identity',
    status: 'pending',
    generation: 0,
    rotatedAt: NOW,
    createdAt: NOW,
    expiresAt: NOW + 180 * DAY,
  }
}

/** A code for a grant that ends in a minute. */
export function aCode(grant: Grant): CodeRow {
  return {
    hash: newId(),
    grantId: grant.id,
    clientId: grant.clientId,
    redirectUri: 'http://127.0.0.1:4711/callback',
    codeChallenge: 'challenge',
    expiresAt: NOW + MINUTE,
  }
}

/** A live credential of a grant, at version 1. */
export function aCredential(grant: Grant): CredentialRow {
  return { id: newId(), grantId: grant.id, version: 1, sealed: 'first', expiresAt: NOW + MINUTE, state: 'live' }
}

/** An access token of a grant that ends in an hour. */
export function anAccess(grant: Grant): AccessRow {
  return { hash: newId(), grantId: grant.id, scopes: ['mcp'], expiresAt: NOW + 60 * MINUTE }
}

/** Calls at once as often as {@link CALLERS} says; the results in order. */
export function parallel<T>(call: (caller: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: CALLERS }, (_, caller) => call(caller)))
}

/** How often each outcome occurs. */
export function tally(outcomes: readonly unknown[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const outcome of outcomes) counts[String(outcome)] = (counts[String(outcome)] ?? 0) + 1
  return counts
}
