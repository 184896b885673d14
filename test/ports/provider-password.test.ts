import { randomBytes, scryptSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/domain/secret.ts'
import { createPasswordProvider } from '../../src/providers/password.ts'
import type { SignInOutcome } from '../../src/providers/provider.ts'
import { describeProvider } from './provider.suite.ts'

const CALLBACK = 'http://127.0.0.1:8080/callback/home'

/** As `gatehouse hash-password` writes it, at the lowest cost that is accepted. */
function cheapHash(password: string): Secret {
  const salt = randomBytes(16)
  const key = scryptSync(password.normalize('NFC'), salt, 32, { N: 2 ** 14, r: 8, p: 1 })
  return new Secret(`scrypt$ln=14,r=8,p=1$${salt.toString('base64url')}$${key.toString('base64url')}`)
}

const provider = createPasswordProvider({
  name: 'home',
  users: new Map([
    ['alice', cheapHash('correct horse')],
    ['bob@example.com', cheapHash('battery staple')],
    ['Zo\u00eb', cheapHash('caf\u00e9')],
  ]),
})

function signIn(username: string, password: string): Promise<SignInOutcome> {
  const form = { username, password: new Secret(password) }
  return provider.finish({ url: new URL(`${CALLBACK}?state=s`), form, state: 's', continuation: {} })
}

describeProvider('password', async () => ({
  provider,
  callbackUrl: CALLBACK,
  identity: { provider: 'home', subject: 'alice', groups: [] },
  agree: async (location) => ({
    url: new URL(location),
    form: { username: 'alice', password: new Secret('correct horse') },
  }),
  decline: async (location) => ({ url: new URL(location), form: { username: 'alice', password: new Secret('guess') } }),
  close: async () => undefined,
}))

describe('password sign-in', () => {
  it('gives an unknown user the answer of a wrong password', async () => {
    expect(await signIn('alice', 'correct horse')).toMatchObject({ outcome: 'signed-in' })
    expect(await signIn('alice', 'wrong')).toEqual({ outcome: 'wrong_password' })
    expect(await signIn('mallory', 'wrong')).toEqual({ outcome: 'wrong_password' })
  })

  it("does not let an unknown user in with anybody else's password", async () => {
    for (const password of ['correct horse', 'battery staple', 'café'])
      expect(await signIn('mallory', password)).toEqual({ outcome: 'wrong_password' })
  })

  it('tells user names apart by case, and not by how their accents are typed (RFC 8265 §3.4)', async () => {
    expect(await signIn('Zo\u00eb', 'caf\u00e9')).toMatchObject({ identity: { subject: 'Zo\u00eb' } })
    expect(await signIn('Zoe\u0308', 'cafe\u0301')).toMatchObject({ identity: { subject: 'Zo\u00eb' } })
    expect(await signIn('zo\u00eb', 'caf\u00e9')).toEqual({ outcome: 'wrong_password' })
    expect(await signIn('Alice', 'correct horse')).toEqual({ outcome: 'wrong_password' })
  })

  it('takes a user name for an e-mail address only when it is one (U-11)', async () => {
    const bob = await signIn('bob@example.com', 'battery staple')
    expect(bob).toMatchObject({ identity: { subject: 'bob@example.com', email: 'bob@example.com' } })
    const alice = await signIn('alice', 'correct horse')
    expect(alice).not.toHaveProperty('identity.email')
  })

  it('refuses user names and passwords that nobody can have', async () => {
    for (const [username, password] of [
      ['', ''],
      ['alice', ''],
      ['', 'correct horse'],
      ['alice', 'x'.repeat(100_000)],
      ['a'.repeat(100_000), 'correct horse'],
      ['__proto__', 'correct horse'],
      ['alice\0', 'correct horse'],
    ] as const)
      expect(await signIn(username, password)).toEqual({ outcome: 'wrong_password' })
  })

  it('refuses a return without a form, and takes one with it', async () => {
    const bare = { url: new URL(`${CALLBACK}?state=s`), state: 's', continuation: {} }
    expect(await provider.finish(bare)).toEqual({ outcome: 'refused', reason: 'form_missing' })
    const form = { username: 'alice', password: new Secret('correct horse') }
    expect(await provider.finish({ ...bare, form })).toMatchObject({ outcome: 'signed-in' })
  })

  it('sends a crowd away instead of computing for minutes, and serves whoever waited', async () => {
    const outcomes = await Promise.all(Array.from({ length: 60 }, () => signIn('alice', 'correct horse')))
    const served = outcomes.filter(({ outcome }) => outcome === 'signed-in')
    const sentAway = outcomes.filter(({ outcome }) => outcome === 'unavailable')
    expect(served).toHaveLength(34)
    expect(sentAway).toHaveLength(26)
    expect(sentAway[0]).toEqual({ outcome: 'unavailable', reason: 'too_many_attempts_at_once' })
    expect(await signIn('alice', 'correct horse')).toMatchObject({ outcome: 'signed-in' })
  })

  it('has no refresh tokens to offer', () => {
    expect(provider.refresh).toBeUndefined()
  })
})
