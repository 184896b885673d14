import { expect, it } from 'vitest'
import { createConcurrency } from '../../src/gateway/concurrency.ts'

const MIB = 1024 * 1024
const limits = { concurrent: 100, concurrentPerGrant: 100, concurrentPerRoute: 100, bodyBytesAtOnce: 8 * MIB }

it('bodies that are kept have their part of the memory, and no grant takes all of it (C38, C65)', () => {
  const { enter, leave } = createConcurrency(limits)
  expect(enter('/a', 'busy', 4 * MIB)).toBe('entered')
  expect(enter('/a', 'busy', 3 * MIB)).toBe('grant_busy')
  expect(enter('/a', 'busy', 2 * MIB)).toBe('entered')
  expect(enter('/a', 'busy', 0)).toBe('entered')
  expect(enter('/a', 'other', 2 * MIB)).toBe('entered')
  expect(enter('/a', 'third', 1)).toBe('gateway_busy')
  expect(enter('/a', 'third', 0)).toBe('entered')
  leave('/a', 'busy', 4 * MIB)
  expect(enter('/a', 'busy', 4 * MIB)).toBe('entered')
})

it('a body counts for what it turned out to be, not for what it might have been (C65)', () => {
  const { enter, resize, leave } = createConcurrency(limits)
  for (let open = 0; open < 50; open += 1) {
    expect(enter('/a', 'chunks', 4 * MIB)).toBe('entered')
    resize('chunks', 4 * MIB, 100)
  }
  for (let open = 0; open < 50; open += 1) leave('/a', 'chunks', 100)
  expect(enter('/a', 'chunks', 4 * MIB)).toBe('entered')
  expect(enter('/a', 'chunks', 3 * MIB)).toBe('grant_busy')
})
