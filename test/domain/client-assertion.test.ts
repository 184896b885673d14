import { describe, expect, it } from 'vitest'
import { judgeAssertion } from '../../src/domain/client-assertion.ts'

const NOW = 1_800_000_000
const EXPECTED = { clientId: 'client', issuer: 'https://gw.example', now: NOW * 1000 + 999 }
const CLAIMS = { iss: 'client', sub: 'client', aud: 'https://gw.example', iat: NOW, exp: NOW + 60, jti: 'one' }

const judge = (changes: Record<string, unknown>) => judgeAssertion({ ...CLAIMS, ...changes }, EXPECTED)

describe('the claims of a client assertion (RFC 7523 §3, T-06)', () => {
  it('are good for one jti until exp', () => {
    expect(judge({})).toEqual({ ok: true, value: { jti: 'one', expiresAt: (NOW + 60) * 1000 } })
  })

  it.each<[string, Record<string, unknown>]>([
    ['the issuer with a slash as audience', { aud: 'https://gw.example/' }],
    ['the token endpoint as audience', { aud: 'https://gw.example/token' }],
    ['a list of one audience', { aud: ['https://gw.example'] }],
    ['five minutes to live', { exp: NOW + 300 }],
    ['a clock that is a minute ahead', { iat: NOW + 60, nbf: NOW + 60, exp: NOW + 359 }],
    ['no iat and no nbf', { iat: undefined }],
    ['a second left', { exp: NOW + 1 }],
    ['unknown claims', { scope: 'mcp' }],
  ])('may have %s (C9)', (_, changes) => expect(judge(changes).ok).toBe(true))

  it.each<[string, Record<string, unknown>]>([
    ['another issuer', { iss: 'other' }],
    ['another subject', { sub: 'other' }],
    ['no issuer', { iss: undefined }],
    ['no subject', { sub: undefined }],
    ['another audience', { aud: 'https://other.example' }],
    ['a route as audience', { aud: 'https://gw.example/github' }],
    ['an audience that only begins like ours', { aud: 'https://gw.example.evil.example' }],
    ['two audiences', { aud: ['https://gw.example', 'https://other.example'] }],
    ['our audience twice', { aud: ['https://gw.example', 'https://gw.example/'] }],
    ['no audience', { aud: undefined }],
    ['an empty list of audiences', { aud: [] }],
    ['no end', { exp: undefined }],
    ['an end that is over', { exp: NOW }],
    ['an end that is text', { exp: String(NOW + 60) }],
    ['an endless end', { exp: Number.POSITIVE_INFINITY }],
    ['six minutes to live', { exp: NOW + 360 }],
    ['ten minutes between iat and exp', { iat: NOW - 400, exp: NOW + 200 }],
    ['an iat in the future', { iat: NOW + 61 }],
    ['an iat that is text', { iat: 'now' }],
    ['an nbf in the future', { nbf: NOW + 61 }],
    ['no jti', { jti: undefined }],
    ['an empty jti', { jti: '' }],
    ['a jti of 257 characters', { jti: 'x'.repeat(257) }],
    ['a jti that is a number', { jti: 7 }],
  ])('may not have %s (B059)', (_, changes) => expect(judge(changes).ok).toBe(false))
})
