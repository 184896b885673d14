import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { AuditEvent } from '../../src/audit.ts'
import { openAuditTrail } from '../../src/audit-trail.ts'

const EVENT: AuditEvent = { event: 'consent_denied', client: { id: 'client', verified: 'static' } }

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gatehouse-trail-'))
})
afterEach(() => {
  vi.useRealTimers()
  rmSync(directory, { recursive: true })
})

/** A logger, and what it was told. */
function logger(write?: () => void) {
  const lines: string[] = []
  const log = pino({}, { write: write ?? ((line: string) => void lines.push(line)) })
  return { log, lines }
}

it('writes notes behind each other into its file, which is for its owner alone, directory included', async () => {
  const file = join(directory, 'new', 'audit.jsonl')
  const { log, lines } = logger()
  for (let count = 0; count < 2; count += 1) {
    const trail = await openAuditTrail({ kind: 'file', file }, log)
    trail.audit(EVENT)
    await trail.close()
  }
  const notes = readFileSync(file, 'utf8').trim().split('\n')
  expect(notes.map((note) => JSON.parse(note))).toMatchObject(Array(2).fill({ ...EVENT, outcome: 'refused' }))
  expect(lines).toEqual([])
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(statSync(join(directory, 'new')).mode & 0o777).toBe(0o700)
})

it('says in the log that a note came too late for its file, and fails nobody', async () => {
  const { log, lines } = logger()
  const trail = await openAuditTrail({ kind: 'file', file: join(directory, 'audit.jsonl') }, log)
  await trail.close()
  trail.audit(EVENT)
  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain('an audit event could not be written')
})

it.runIf(existsSync('/dev/full'))(
  'loses and counts what a full disk does not take once too much of it waits, and closes all the same (C63)',
  async () => {
    const { log, lines } = logger()
    const trail = await openAuditTrail({ kind: 'file', file: '/dev/full' }, log)
    const client = { id: 'client', name: 'x'.repeat(64 * 1024), verified: 'static' } as const
    trail.audit({ ...EVENT, client })
    expect(trail.lost()).toBe(0)
    for (let count = 0; count < 300; count += 1) trail.audit({ ...EVENT, client })
    expect(trail.lost()).toBeGreaterThan(0)
    await trail.close()
    expect(lines[0]).toContain('an audit event could not be written')
  },
)

it('notes that come together leave soon, and with nothing to note it does nothing', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
  const file = join(directory, 'audit.jsonl')
  const trail = await openAuditTrail({ kind: 'file', file }, logger().log)
  expect(vi.getTimerCount()).toBe(0)
  for (let count = 0; count < 3; count += 1) trail.audit(EVENT)
  vi.advanceTimersByTime(20)
  while (readFileSync(file, 'utf8') === '') await turn()
  expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(3)
  expect(vi.getTimerCount()).toBe(0)
  trail.audit(EVENT)
  await trail.close()
  expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(4)
})

it('fails nobody when standard output is gone', async () => {
  const { log } = logger(() => {
    throw new Error('EPIPE')
  })
  const trail = await openAuditTrail({ kind: 'log' }, log)
  expect(() => trail.audit(EVENT)).not.toThrow()
})
