import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hasRepeated, parseParameters, type RequestParameters, single } from '../../src/domain/request-parameters.ts'

function parsed(encoded: string): RequestParameters {
  const result = parseParameters(encoded)
  if (!result.ok) throw new Error(result.failure)
  return result.value
}

describe('form-urlencoded parameters (RFC 6749 Appendix B)', () => {
  it('decodes plus and percent, keeps every value in order, and takes a bare name for an empty value', () => {
    const parameters = parsed('a=1+2&b=%C3%A9%26&a=3&&c&d=x=y')
    expect([...parameters]).toEqual([
      ['a', ['1 2', '3']],
      ['b', ['é&']],
      ['c', ['']],
      ['d', ['x=y']],
    ])
  })

  it.each(['a=%', 'a=%2', 'a=%zz', '%zz=1', 'a=%C3', 'a=%FF', 'a=%C0%80', 'a=%ED%A0%80', 'a=%00', 'a%00=1', 'a=x\0'])(
    'refuses %j instead of repairing it (T-01)',
    (encoded) => expect(parseParameters(encoded).ok).toBe(false),
  )

  it('takes 100 parameters and refuses one more', () => {
    const pairs = (count: number) => Array.from({ length: count }, (_, index) => `p${index}=1`).join('&')
    expect(parseParameters(pairs(100)).ok).toBe(true)
    expect(parseParameters(pairs(101)).ok).toBe(false)
  })

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('treats %s as any other name (B022)', (name) => {
    expect(single(parsed('a=1'), name)).toBeUndefined()
    expect(single(parsed(`${name}=x`), name)).toBe('x')
    expect(({} as Record<string, unknown>).x).toBeUndefined()
  })
})

describe('one value per name (RFC 6749 §3.1)', () => {
  it('has no single value when a parameter is empty or repeated', () => {
    const parameters = parsed('once=1&twice=1&twice=1&empty=')
    expect(single(parameters, 'once')).toBe('1')
    for (const name of ['twice', 'empty', 'absent']) expect(single(parameters, name)).toBeUndefined()
  })

  it.each([
    ['a=1&b=2', false],
    ['a=1&a=1', true],
    ['a=&a=', true],
    ['a=1&%61=2', true],
    ['resource=x&resource=y', false],
    ['resource=x&resource=y&a=1&a=2', true],
  ])('says of %s that a parameter is repeated: %s (A-01, RFC 8707 §2)', (encoded, repeated) =>
    expect(hasRepeated(parsed(encoded), ['resource'])).toBe(repeated),
  )
})

describe('for all inputs', () => {
  it('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'%&=+a0fF\0é') })), (text) => {
        parseParameters(text)
      }),
      { numRuns: 2000 },
    )
  })

  it('reads back what a form encoder wrote', () => {
    const word = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'))
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word), { maxLength: 20 }), (pairs) => {
        const encoded = new URLSearchParams(pairs).toString()
        const read = [...parsed(encoded)].flatMap(([name, values]) => values.map((value) => [name, value]))
        expect(read.toSorted()).toEqual(pairs.toSorted())
      }),
    )
  })
})
