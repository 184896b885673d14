import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { ask } from '../fixtures/http-exchange.ts'
import {
  authorizeUrl,
  type Changes,
  type KnownClient,
  obtainCode,
  redeem,
  register,
} from '../fixtures/oauth-requests.ts'
import { type Rig, STATIC_REDIRECT, startRig } from './rig.ts'

const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
const STATIC: KnownClient = { clientId: 'static-public', redirectUri: STATIC_REDIRECT }
const CONFIDENTIAL: KnownClient = { clientId: 'static-basic', redirectUri: STATIC_REDIRECT }

let rig: Rig
let client: KnownClient
beforeAll(async () => {
  rig = await startRig()
  client = await register(rig.issuer)
  return () => rig.close()
})

describe('at the authorization endpoint (RFC 7636 §4.3, §4.4.1)', () => {
  it.each<[string, Changes]>([
    ['no challenge', { code_challenge: null, code_challenge_method: null }],
    ['a method without challenge', { code_challenge: null }],
    ['an empty challenge', { code_challenge: '' }],
    ['42 characters', { code_challenge: CHALLENGE.slice(1) }],
    ['44 characters', { code_challenge: `${CHALLENGE}A` }],
    ['129 characters', { code_challenge: 'A'.repeat(129) }],
    ['padding', { code_challenge: `${CHALLENGE.slice(1)}=` }],
    ['base64 instead of base64url', { code_challenge: `${CHALLENGE.slice(2)}+/` }],
    ['letters outside ASCII', { code_challenge: `${CHALLENGE.slice(1)}é` }],
    ['the hash of nothing (B080)', { code_challenge: createHash('sha256').digest('base64url') }],
    ['no method, which would mean plain', { code_challenge_method: null }],
    ['the method plain', { code_challenge_method: 'plain' }],
    ['the method s256', { code_challenge_method: 's256' }],
    ['the method S512', { code_challenge_method: 'S512' }],
    ['two challenges', { code_challenge: [CHALLENGE, CHALLENGE] }],
    ['two methods', { code_challenge_method: ['S256', 'plain'] }],
  ])('%s: invalid_request, for public and confidential clients (A-06, B077, B079)', async (_, changes) => {
    for (const who of [STATIC, CONFIDENTIAL]) {
      expect((await ask(authorizeUrl(rig.issuer, who))).status).toBe(200)
      const answer = await ask(authorizeUrl(rig.issuer, who, changes))
      expect(new URL(answer.headers.location ?? '').searchParams.get('error')).toBe('invalid_request')
    }
  })
})

describe('at the token endpoint (RFC 7636 §4.6)', () => {
  it.each<[string, (verifier: string) => string | null]>([
    ['absent (B085)', () => null],
    ['empty (B086)', () => ''],
    ['another one', () => 'a'.repeat(43)],
    ['42 characters', (verifier) => verifier.slice(1)],
    ['129 characters', () => 'a'.repeat(129)],
    ['in another case', (verifier) => verifier.toUpperCase()],
    ['with padding', (verifier) => `${verifier}=`],
    ['with a line break', (verifier) => `${verifier}\n`],
    ['with a space', (verifier) => `${verifier} `],
    ['the challenge itself (B083)', (verifier) => createHash('sha256').update(verifier).digest('base64url')],
  ])('a verifier that is %s is refused, and the code is not spent (A-06, T-07, B082)', async (_, change) => {
    const issued = await obtainCode(rig.issuer, client, { resource: rig.one })
    const refused = await redeem(rig.issuer, issued, { code_verifier: change(issued.verifier) })
    expect([refused.status, refused.json().error]).toEqual([400, 'invalid_grant'])
    expect((await redeem(rig.issuer, issued)).status).toBe(200)
  })
})
