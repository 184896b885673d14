import { describe, expect, it } from 'vitest'
import { configOf, edit, problemOf } from './base.ts'

describe('registration: approved', () => {
  const approved = (entries: string) =>
    edit(['registration: open', `registration: approved\n  approved_redirects: ${entries}`])

  it('takes redirect URIs, origins and schemes (RFC 7591 §5)', () => {
    const entries = ['https://claude.ai', 'http://localhost', 'cursor:', 'https://app.example/cb?x=1']
    const { clients } = configOf(approved(JSON.stringify(entries)))
    expect(clients).toMatchObject({ registration: 'approved', approvedRedirects: entries })
  })

  it.each(['"*"', '"https://claude.ai/"', '"http://evil.example"', '"javascript:"', '"https:"', '"claude.ai"'])(
    'refuses %s as an entry (X-13)',
    (entry) => {
      expect(problemOf(approved(`[${entry}]`)).path).toBe('clients.approved_redirects[0]')
    },
  )

  it('refuses approval without a list, and a list without approval (X-13)', () => {
    expect(problemOf(edit(['registration: open', 'registration: approved'])).path).toBe('clients.registration')
    const idle = edit(['registration: open', 'registration: open\n  approved_redirects: ["https://claude.ai"]'])
    expect(problemOf(idle).path).toBe('clients.approved_redirects')
  })
})

describe('consent.remember', () => {
  it('is never, or a duration (A-38)', () => {
    expect(configOf(edit()).consent).toEqual({})
    expect(configOf(edit(['remember: never', 'remember: 12h'])).consent).toEqual({ rememberMs: 43_200_000 })
  })

  it.each(['always', '0s', '91d', 'true'])('refuses %s (A-38)', (value) => {
    expect(problemOf(edit(['remember: never', `remember: ${value}`])).path).toBe('consent.remember')
  })
})

describe('audit.destination', () => {
  const to = (text: string) => edit(['tokens:', `audit: { destination: "${text}" }\ntokens:`])

  it('is stdout, or a file of its own (X-16)', () => {
    expect(configOf(to('stdout')).audit).toEqual({ destination: { kind: 'log' } })
    expect(configOf(to('file:data/audit.jsonl')).audit).toEqual({
      destination: { kind: 'file', file: 'data/audit.jsonl' },
    })
  })

  it.each(['syslog', 'file:', 'file://host/x', '/var/log/audit'])('refuses %s (X-16)', (text) => {
    expect(problemOf(to(text)).path).toBe('audit.destination')
  })
})
