import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { depthOf, elementsAt, membersAt } from '../../src/domain/json-text.ts'
import { type Message, readBody } from '../../src/domain/message.ts'
import { agree, decodeMirrored } from '../../src/domain/mirrored-headers.ts'
import { filterToolLists } from '../../src/domain/tool-list.ts'

function only(text: string): Message {
  const body = readBody(text)
  if (!body.ok || !body.value.messages[0]) throw new Error(text)
  return body.value.messages[0]
}

describe('places in a JSON text', () => {
  it('are where JSON.parse finds the values, whatever surrounds them', () => {
    const property = fc.property(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.constantFrom('', '  ', '\n\t'),
      (object, indent) => {
        const text = `${indent}${JSON.stringify(object, null, indent)}${indent}`
        const members = membersAt(text, 0).map(({ key, start, end }) => [key, JSON.parse(text.slice(start, end))])
        expect(members).toEqual(Object.entries(JSON.parse(text)))
      },
    )
    fc.assert(property)
    const arrays = fc.property(fc.array(fc.jsonValue()), fc.constantFrom('', ' ', '\r\n'), (array, indent) => {
      const text = JSON.stringify(array, null, indent)
      expect(elementsAt(text, 0).map(({ start, end }) => JSON.parse(text.slice(start, end)))).toEqual(JSON.parse(text))
    })
    fc.assert(arrays)
  })

  it('have values with a depth that brackets in strings do not add to', () => {
    expect(depthOf('{"a":[{"b":"[[[{{{\\"[["}]}')).toBe(3)
    expect(depthOf('"x"')).toBe(0)
  })
})

describe('what a body asks for (S-05)', () => {
  it.each<[string, Partial<Message>]>([
    ['{"jsonrpc":"2.0","id":1,"method":"ping"}', { operation: { method: 'ping' }, id: 1, isRequest: true }],
    [
      '{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"a","arguments":{"b":1}}}',
      { operation: { method: 'tools/call', tool: 'a' }, id: 'x', name: 'a', args: { b: 1 } },
    ],
    [
      '{"method":"tools\\u002fcall","params":{"n\\u0061me":"\\u0061"}}',
      { operation: { method: 'tools/call', tool: 'a' } },
    ],
    [
      '{"method":"resources/read","params":{"uri":"file:///a"}}',
      { operation: { method: 'resources/read' }, name: 'file:///a' },
    ],
    [
      '{"method":"notifications/initialized"}',
      { operation: { method: 'notifications/initialized' }, isRequest: false },
    ],
    ['{"jsonrpc":"2.0","id":1,"result":{}}', { isRequest: false }],
    ['{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}', { isRequest: false }],
  ])('%s', (text, message) => expect(only(text)).toMatchObject(message))

  it('a call without an id is still a call: servers exist that do it', () => {
    expect(only('{"method":"tools/call","params":{"name":"a"}}').operation).toEqual({ method: 'tools/call', tool: 'a' })
  })

  it('an id that a number cannot hold exactly is not repeated', () => {
    expect(only('{"id":12345678901234567890,"method":"ping"}')).not.toHaveProperty('id')
    expect(only('{"id":9007199254740991,"method":"ping"}')).toHaveProperty('id')
  })

  it('a batch asks for each of its messages (P-18)', () => {
    const body = readBody(
      '[{"id":1,"method":"ping"} , {"id":2,"method":"tools/call","params":{"name":"a"}},{"id":3,"result":{}}]',
    )
    expect(body).toMatchObject({ value: { isBatch: true, messages: [{ id: 1 }, { operation: { tool: 'a' } }, {}] } })
  })
})

describe('what means different things to different parsers is not judged (B214, P-12)', () => {
  const CALL = '{"id":1,"method":"tools/call","params":{"name":"safe"}}'

  it('the twin: it is judged when it does not', () => expect(readBody(CALL).ok).toBe(true))

  it.each([
    '{"method":"ping","method":"tools/call"}',
    '{"method":"ping","m\\u0065thod":"tools/call"}',
    '{"method":"ping","Method":"tools/call"}',
    '{"id":1,"result":{},"METHOD":"tools/call"}',
    '{"method":"tools/call","params":{"name":"safe"},"paramſ":{"name":"danger"}}',
    '{"method":"tools/call","params":{"name":"safe","name":"danger"}}',
    '{"method":"tools/call","params":{"name":"safe","Name":"danger"}}',
    '{"method":"tools/call","params":{"name":"safe"},"params":{"name":"danger"}}',
    '{"method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"a","io.modelcontextprotocol/protocolVersion":"b"}}}',
    '{"id":1,"result":{},"__proto__":{"method":"tools/call"}}',
    '{"method":"tools/call","params":{"name":"safe","__proto__":{"name":"danger"}}}',
    '{"id":1,"result":{},"method\\u0000":"tools/call"}',
    '{"method":"tools/call","params":{"n\\u0061me\\u0000x":"danger","name":"safe"}}',
    '{"id":1,"id":2,"method":"ping"}',
    `[${CALL},{"method":"ping","method":"tools/call"}]`,
    `{${Array.from({ length: 20 }, (_, index) => `"x${index}":0,`).join('')}"method":"ping","x7":1}`,
  ])('ambiguous: %s', (text) => expect(readBody(text)).toEqual({ ok: false, failure: 'ambiguous' }))

  it.each([
    '',
    '{',
    `${CALL}x`,
    `${CALL}${CALL}`,
    `\ufeff${CALL}`,
    "{'a':1}",
    '{"a":1,}',
    '{"a":NaN}',
    '// c\n{}',
    '{"a":"\n"}',
  ])('no JSON: %j', (text) => expect(readBody(text)).toEqual({ ok: false, failure: 'not_json' }))

  it.each([
    ...[
      'null',
      '1',
      '"tools/call"',
      '{}',
      '[]',
      '[1]',
      '[[]]',
      '{"id":1}',
      '{"method":null}',
      '{"method":["tools/call"]}',
    ],
    ...[
      'tools/call ',
      ' tools/call',
      'Tools/Call',
      'tools//call',
      '/tools/call',
      'tools/call/',
      'tools\\u0000/call',
      'tools%2fcall',
      '',
    ].map((method) => `{"method":"${method}","params":{"name":"a"}}`),
    ...['{"name":5}', '{}', '["a"]', '{"name":""}', '{"name":"a\\u0000"}', '{"name":"\\ud800"}', '{"name":null}'].map(
      (params) => `{"method":"tools/call","params":${params}}`,
    ),
    '{"method":"tools/call"}',
  ])('no message: %s', (text) => expect(readBody(text)).toEqual({ ok: false, failure: 'not_json_rpc' }))

  it('too deep and too many are not judged, one less is (P-18, P-20)', () => {
    const deep = (levels: number) => `{"method":"ping","params":{"a":${'['.repeat(levels)}${']'.repeat(levels)}}}`
    expect(readBody(deep(62)).ok).toBe(true)
    expect(readBody(deep(63))).toEqual({ ok: false, failure: 'too_deep' })
    expect(readBody('['.repeat(1_000_000))).toEqual({ ok: false, failure: 'too_deep' })
    const many = (count: number) => `[${Array(count).fill('{"method":"ping"}').join(',')}]`
    expect(readBody(many(100)).ok).toBe(true)
    expect(readBody(many(101))).toEqual({ ok: false, failure: 'too_many_messages' })
  })

  it('duplicates where nothing is read are the server’s business', () => {
    expect(readBody('{"method":"tools/call","params":{"name":"a","arguments":{"x":1,"x":2}}}').ok).toBe(true)
  })
})

describe('headers that repeat the body (P-13, C6)', () => {
  const VERSION = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}'
  const CALL = `{"id":1,"method":"tools/call","params":{"name":"größe",${VERSION}}}`
  const agrees = (text: string, headers: Partial<Parameters<typeof agree>[0]>) => {
    const body = readBody(text)
    if (!body.ok) throw new Error(text)
    return agree({ areRequired: true, ...headers }, body.value)
  }
  const encoded = `=?base64?${Buffer.from('größe').toString('base64')}?=`

  it('agree', () => {
    expect(agrees(CALL, { version: '2026-07-28', method: 'tools/call', name: encoded })).toBe(true)
    expect(agrees('{"id":1,"method":"tools/list"}', { method: 'tools/list' })).toBe(true)
    expect(agrees('{"method":"notifications/cancelled"}', {})).toBe(true)
    expect(agrees(CALL, { areRequired: false })).toBe(true)
    expect(agrees(`[${CALL}]`, { areRequired: false })).toBe(true)
  })

  it.each([
    { method: 'tools/list', name: encoded },
    { method: 'tools/call', name: 'other' },
    { method: 'tools/call', name: 'größe'.normalize('NFD') },
    { method: 'tools/call', name: '=?base64?!?=' },
    { method: 'tools/call', name: '=?base64?/w==?=' },
    { method: 'tools/call', name: `${encoded} ` },
    { method: 'Tools/call', name: encoded },
    { method: 'tools/call' },
    { name: encoded },
    {},
    { version: '2099-01-01', method: 'tools/call', name: encoded },
    { areRequired: false, method: 'tools/list' },
    { areRequired: false, name: 'other' },
  ])('disagree: %j', (headers) => expect(agrees(CALL, headers)).toBe(false))

  it('cannot speak for a batch or a response', () => {
    expect(agrees(`[${CALL}]`, { method: 'tools/call' })).toBe(false)
    expect(agrees('{"id":1,"result":{}}', { method: 'ping' })).toBe(false)
  })

  it('are written in base64 or as they are', () => {
    expect(decodeMirrored(encoded)).toBe('größe')
    expect(decodeMirrored('plain')).toBe('plain')
    expect(decodeMirrored('=?base64?77u/YQ==?=')).toBe('\ufeffa')
    expect(decodeMirrored('=?base64?YQ?=')).toBeUndefined()
  })
})

describe('a list of tools (P-90)', () => {
  const mayList = (name: string) => !name.startsWith('drop')
  const list = (tools: string, rest = '') => `{"jsonrpc":"2.0","id":1, "result":{"tools":[${tools}]${rest}}}`
  const tool = (name: string) => `{"name":"${name}", "inputSchema":{"maximum":18446744073709551615}}`

  it('loses what is denied and keeps every other byte', () => {
    expect(filterToolLists(list(`${tool('a')}, ${tool('drop')},${tool('b')}`, ',"nextCursor":"c"'), mayList)).toBe(
      list(`${tool('a')},${tool('b')}`, ',"nextCursor":"c"'),
    )
    expect(filterToolLists(list(tool('drop')), mayList)).toBe(list(''))
    const harmless = list(` ${tool('a')} ,\n${tool('b')} `)
    expect(filterToolLists(harmless, mayList)).toBe(harmless)
  })

  it('is one user’s from now on', () => {
    expect(filterToolLists(list(tool('a'), ',"ttlMs":5,"cacheScope" : "public"'), mayList)).toBe(
      list(tool('a'), ',"ttlMs":5,"cacheScope" : "private"'),
    )
    const other = '{"id":1,"result":{"content":[],"cacheScope":"public"}}'
    expect(filterToolLists(other, mayList)).toBe(other)
  })

  it('is found in batches, under repeated and misspelt names, and wherever a name is denied', () => {
    expect(filterToolLists(`[${list(tool('drop'))},{"id":2,"result":{}}]`, mayList)).toBe(
      `[${list('')},{"id":2,"result":{}}]`,
    )
    for (const text of [
      '{"result":{},"result":{"tools":[{"name":"drop"}]}}',
      '{"Result":{"Tools":[{"Name":"drop"}]}}',
      '{"result":{"tools":[],"tools":[{"name":"a","name":"drop"}]}}',
      '{"result":{"tools":[{"n\\u0061me":"dr\\u006fp"}, {"name":"drop","name":"a"}]}}',
      '{"result":{"tools":[{"title":"drop"},"drop",{"name":["drop"]}]}}',
    ])
      expect(filterToolLists(text, mayList)).not.toMatch(/dr(?:o|\\u006f)p/)
  })

  it('is not let through when it cannot be read', () => {
    expect(filterToolLists('{"result":{"tools":[{"name":"drop"}]}', mayList)).toBeUndefined()
    expect(filterToolLists('{"result":{"tools":{"drop":{}}}}', mayList)).toBeUndefined()
    expect(filterToolLists('', mayList)).toBeUndefined()
  })

  it('never names a denied tool, whatever else the answer holds', () => {
    const names = fc.array(fc.constantFrom('a', 'drop', 'drop_all', 'b'))
    fc.assert(
      fc.property(names, fc.jsonValue(), fc.constantFrom(0, 1, 3), (chosen, rest, indent) => {
        const text = JSON.stringify({ rest, result: { tools: chosen.map((name) => ({ name })), rest } }, null, indent)
        const filtered = JSON.parse(filterToolLists(text, mayList) ?? '')
        const expected = JSON.parse(text)
        expected.result.tools = expected.result.tools.filter(({ name }: { name: string }) => mayList(name))
        expect(filtered).toEqual(expected)
      }),
    )
  })
})
