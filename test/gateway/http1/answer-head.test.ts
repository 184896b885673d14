import { expect, it } from 'vitest'
import { readAnswerHead } from '../../../src/gateway/http1/answer-head.ts'
import { MalformedAnswer } from '../../../src/gateway/http1/malformed-answer.ts'

const HEAD = 'HTTP/1.1 200 OK\r\nMcp-Session-Id: of-alice\r\nLink: a\r\nLink: b'

it('a head that comes again gives whoever reads it headers of their own', () => {
  const [first, second] = [readAnswerHead(HEAD), readAnswerHead(HEAD)]
  const expected = { 'mcp-session-id': 'of-alice', link: ['a', 'b'] }
  expect({ ...first.headers }).toEqual(expected)
  delete first.headers['mcp-session-id']
  for (const { link } of [first.headers, second.headers]) if (Array.isArray(link)) link.push('planted')
  expect({ ...second.headers }).toEqual({ ...expected, link: ['a', 'b', 'planted'] })
  expect({ ...readAnswerHead(HEAD).headers }).toEqual(expected)
})

it('a head that differs in one letter is read anew, and so is one after a refusal', () => {
  expect(readAnswerHead(HEAD).headers['mcp-session-id']).toBe('of-alice')
  expect(readAnswerHead(HEAD.replace('alice', 'bobby')).headers['mcp-session-id']).toBe('of-bobby')
  expect(() => readAnswerHead(HEAD.replace('HTTP', 'XTTP'))).toThrow(MalformedAnswer)
  expect(() => readAnswerHead(HEAD.replace('HTTP', 'XTTP'))).toThrow(MalformedAnswer)
  expect(readAnswerHead(HEAD).headers['mcp-session-id']).toBe('of-alice')
})
