import { describe, expect, it } from 'vitest'
import { parseHeaderTemplate } from '../../src/domain/header-template.ts'
import type { Identity } from '../../src/domain/identity.ts'
import { type AllowRule, decide } from '../../src/domain/policy.ts'

const alice: Identity = { provider: 'corp', subject: 'alice', email: 'Alice@Example.com', groups: ['engineering'] }
const nobody: AllowRule = { emailDomains: [], groups: [], users: [] }

function allows(rule: Partial<AllowRule>, identity: Identity = alice): boolean {
  return decide({ allow: { ...nobody, ...rule }, inject: [] }, identity).allowed
}

describe('who may use a route (A-25, B188)', () => {
  it('lets everybody in where nothing is said, and nobody where the lists are empty', () => {
    expect(decide({ inject: [] }, alice)).toEqual({ allowed: true })
    expect(decide({ allow: nobody, inject: [] }, alice)).toEqual({ allowed: false, reason: 'not_on_list' })
  })

  it.each([
    ['the domain', { emailDomains: ['example.com'] }],
    ['a group', { groups: ['sales', 'engineering'] }],
    ['the e-mail address', { users: ['alice@example.com'] }],
    ['the subject', { users: ['alice'] }],
    ['any one of several lists', { emailDomains: ['other.example'], groups: ['engineering'] }],
  ])('lets in by %s', (_, rule) => expect(allows(rule)).toBe(true))

  it.each([
    ['a parent domain', { emailDomains: ['com'] }],
    ['a sub-domain', { emailDomains: ['sub.example.com'] }],
    ['a suffix of the domain', { emailDomains: ['ample.com'] }],
    ['a group in another case', { groups: ['Engineering'] }],
    ['a part of a group', { groups: ['engineer'] }],
    ['a subject in another case', { users: ['Alice'] }],
    ['the local part alone', { users: ['alice@'] }],
    ['a group named like the domain', { groups: ['example.com'] }],
  ])('does not let in by %s', (_, rule) => expect(allows(rule)).toBe(false))

  it('reads the domain behind the last @, so that a quoted local part cannot pretend (U-11)', () => {
    const tricky = { ...alice, email: '"x@example.com"@evil.example' }
    expect(allows({ emailDomains: ['example.com'] }, tricky)).toBe(false)
    expect(allows({ emailDomains: ['evil.example'] }, tricky)).toBe(true)
  })

  it('knows nothing about an e-mail address that nobody vouches for (U-11)', () => {
    const { email: _, ...unverified } = alice
    expect(allows({ emailDomains: ['example.com'], users: ['alice@example.com'] }, unverified)).toBe(false)
    expect(allows({ users: ['alice'] }, unverified)).toBe(true)
  })

  it('takes a subject that looks like an address for nobody, as only a verified address counts as one (U-11)', () => {
    const pretender: Identity = { provider: 'corp', subject: 'bob@partner.example', groups: [] }
    const rule = { users: ['bob@partner.example'] }
    expect(allows(rule, pretender)).toBe(false)
    expect(allows(rule, { ...pretender, email: 'bob@partner.example' })).toBe(true)
  })

  it('keeps out who signed in with another provider than the one the route names', () => {
    expect(decide({ signIn: 'corp', inject: [] }, alice)).toEqual({ allowed: true })
    expect(decide({ signIn: 'other', inject: [] }, alice)).toEqual({ allowed: false, reason: 'not_on_list' })
  })

  it('keeps out who has no verified e-mail address where the server is told one', () => {
    const template = parseHeaderTemplate('{user.email}')
    if (!template.ok) throw new Error(template.failure)
    const route = { inject: [{ name: 'x-user', template: template.value }] }
    const { email: _, ...unverified } = alice
    expect(decide(route, alice)).toEqual({ allowed: true })
    expect(decide(route, unverified)).toEqual({ allowed: false, reason: 'no_verified_email' })
  })
})
