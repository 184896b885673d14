import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { matchesGlob } from '../../src/domain/glob.ts'
import { decideOperations, type MessageRules, type Operation, type ScopeRule } from '../../src/domain/tool-policy.ts'

function scope(name: string, rule: Partial<Omit<ScopeRule, 'name'>>): ScopeRule {
  return { name, methods: [], tools: [], ...rule, implies: [name, ...(rule.implies ?? [])] }
}

const READ = scope('read', { tools: ['get_*', 'list_*'], methods: ['resources/*'] })
const WRITE = scope('write', { tools: ['*'], implies: ['read'] })
const PROMPTS = scope('prompts', { methods: ['prompts/get'] })
const ADMIN = scope('admin', { tools: ['drop_*'], implies: ['write', 'read'] })
const SCOPES: MessageRules = { deny: [], scopes: [READ, WRITE, PROMPTS, ADMIN] }

const tool = (name: string): Operation => ({ method: 'tools/call', tool: name })
const method = (name: string): Operation => ({ method: name })
const allowed = { outcome: 'allowed' }
const denied = { outcome: 'denied' }
const missing = (...scopes: string[]) => ({ outcome: 'missing', scopes })

describe('which tools a route has at all (S-07)', () => {
  const rules: MessageRules = { allow: ['repo_*', 'me'], deny: ['repo_delete*', '*_force'], scopes: [] }

  it.each(['Repo_delete', ' drop', 'DROP ', '\u00a0drop', '\uff44rop'])(
    'denies %j, which some server could read as a denied tool (B214)',
    (name) => {
      const open: MessageRules = { deny: ['drop', 'repo_delete*'], scopes: [] }
      expect(decideOperations(open, [], [tool(name)])).toEqual(denied)
      expect(decideOperations(open, [], [tool('dropped')])).toEqual(allowed)
    },
  )

  it.each(['repo_list', 'repo_', 'me'])('allows %s', (name) =>
    expect(decideOperations(rules, [], [tool(name)])).toEqual(allowed),
  )

  it.each([
    'repo',
    'Repo_list',
    'me2',
    'ME',
    'repo_delete',
    'repo_delete_all',
    'repo_push_force',
    'x',
    '',
    'repo_*_force',
  ])('denies %j', (name) => expect(decideOperations(rules, [], [tool(name)])).toEqual(denied))

  it('denies by name alone where nothing is allowed by name', () => {
    const only: MessageRules = { deny: ['drop'], scopes: [] }
    expect(decideOperations(only, [], [tool('drop')])).toEqual(denied)
    expect(decideOperations(only, [], [tool('drop2')])).toEqual(allowed)
  })

  it('says nothing about other methods', () => {
    expect(decideOperations(rules, [], [method('resources/read'), method('tools/list')])).toEqual(allowed)
  })
})

describe('which scope an operation takes (S-05, S-08)', () => {
  it.each<[Operation, string[]]>([
    [tool('get_x'), ['read']],
    [tool('push'), ['write']],
    [method('resources/read'), ['read']],
    [method('Resources/Read'), ['read']],
    [method('prompts/get'), ['prompts']],
  ])('%j is missing, and the narrowest scope is named', (operation, scopes) => {
    expect(decideOperations(SCOPES, [], [operation])).toEqual(missing(...scopes))
    expect(decideOperations(SCOPES, scopes, [operation])).toEqual(allowed)
  })

  it('of scopes that have nothing to do with each other, the one that names the operation most precisely', () => {
    const scopes = [
      scope('all', { tools: ['*'] }),
      scope('some', { tools: ['get_*'] }),
      scope('one', { tools: ['get_x'] }),
    ]
    const asked = (name: string) => decideOperations({ deny: [], scopes }, [], [tool(name)])
    expect([asked('get_x'), asked('get_y'), asked('x')]).toEqual([missing('one'), missing('some'), missing('all')])
    expect(decideOperations(SCOPES, [], [tool('drop_x')])).toEqual(missing('write'))
  })

  it('a broader scope implies the narrower ones, however deep, and never the other way round (S-06)', () => {
    expect(decideOperations(SCOPES, ['admin'], [tool('push'), tool('get_x'), method('resources/list')])).toEqual(
      allowed,
    )
    expect(decideOperations(SCOPES, ['write'], [method('resources/list')])).toEqual(allowed)
    expect(decideOperations(SCOPES, ['read'], [tool('push')])).toEqual(missing('write'))
    expect(decideOperations(SCOPES, ['admin'], [method('prompts/get')])).toEqual(missing('prompts'))
  })

  it('names everything that a batch takes at once, and nothing twice (S-05)', () => {
    const operations = [tool('get_x'), method('prompts/get'), tool('push'), tool('get_y')]
    expect(decideOperations(SCOPES, [], operations)).toEqual(missing('prompts', 'write'))
    expect(decideOperations(SCOPES, ['read'], operations)).toEqual(missing('prompts', 'write'))
    expect(decideOperations(SCOPES, ['write'], operations)).toEqual(missing('prompts'))
    expect(decideOperations(SCOPES, ['write', 'prompts'], operations)).toEqual(allowed)
  })

  it('a token is good for what opens a conversation, and for methods that no scope names', () => {
    for (const name of [
      'initialize',
      'ping',
      'server/discover',
      'notifications/initialized',
      'tools/list',
      'logging/setLevel',
    ])
      expect(decideOperations(SCOPES, [], [method(name)])).toEqual(allowed)
    const all: MessageRules = { deny: [], scopes: [scope('all', { methods: ['*'] })] }
    expect(decideOperations(all, [], [method('initialize')])).toEqual(allowed)
    expect(decideOperations(all, [], [method('tools/list')])).toEqual(missing('all'))
  })

  it('a tool that no scope names is nobody’s once scopes name tools, and everybody’s before', () => {
    const { scopes } = SCOPES
    const withoutStar = { deny: [], scopes: scopes.filter(({ name }) => name !== 'write') }
    expect(decideOperations(withoutStar, ['admin', 'read'], [tool('push')])).toEqual(denied)
    expect(decideOperations({ deny: [], scopes: [PROMPTS] }, [], [tool('push')])).toEqual(allowed)
    const calls = { deny: [], scopes: [scope('call', { methods: ['tools/call'] })] }
    expect(decideOperations(calls, [], [tool('push')])).toEqual(missing('call'))
  })

  it('scopes that the route does not know give nothing', () => {
    expect(decideOperations(SCOPES, ['mcp', '*', 'Read', 'write '], [tool('get_x')])).toEqual(missing('read'))
  })
})

const NAME = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('a', 'ab', 'aXb', 'delete_repo', 'get_x'))
const PATTERN = fc.oneof(NAME, fc.constantFrom('*', 'a*', '*b', 'a*b', 'delete_*', '*_*', '**'))
const PATTERNS = fc.array(PATTERN, { maxLength: 4 })

describe('whatever the rules and the scopes', () => {
  const anyScope = fc.record({
    name: NAME,
    methods: PATTERNS,
    tools: PATTERNS,
    implies: fc.array(NAME, { maxLength: 3 }),
  })

  it('a denied tool is never allowed and never asked for, alone or among others (S-07)', () => {
    const property = fc.property(
      fc.array(anyScope, { maxLength: 4 }),
      fc.array(NAME),
      fc.option(PATTERNS),
      PATTERNS,
      NAME,
      fc.array(NAME.map(tool), { maxLength: 3 }),
      (scopes, granted, allow, deny, name, others) => {
        const rules = { deny: [...deny, name], scopes, ...(allow === null ? {} : { allow: [...allow, '*'] }) }
        const operations = [...others, tool(name)]
        expect(decideOperations(rules, [...granted, ...scopes.map((one) => one.name)], operations)).toEqual(denied)
      },
    )
    fc.assert(property)
  })

  it('what is missing is enough: with it, the same is allowed (S-05)', () => {
    const property = fc.property(
      fc.subarray([READ, WRITE, PROMPTS, ADMIN]),
      fc.subarray(['read', 'write', 'prompts', 'admin', 'other']),
      fc.array(
        fc.oneof(
          fc.constantFrom('get_x', 'push', 'drop_all').map(tool),
          fc.constantFrom('prompts/get', 'resources/read').map(method),
        ),
      ),
      (scopes, granted, operations) => {
        const rules = { deny: [], scopes }
        const decision = decideOperations(rules, granted, operations)
        if (decision.outcome !== 'missing') return
        expect(decision.scopes.filter((name) => granted.includes(name))).toEqual([])
        expect(decideOperations(rules, [...granted, ...decision.scopes], operations)).toEqual(allowed)
      },
    )
    fc.assert(property)
  })
})

describe('patterns', () => {
  it('mean what the obvious regular expression means', () => {
    const property = fc.property(PATTERN, NAME, (pattern, name) => {
      const escaped = pattern.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\/-]/g, '\\$&'))
      expect(matchesGlob(pattern, name)).toBe(new RegExp(`^${escaped.join('[^]*')}$`).test(name))
    })
    fc.assert(property, { numRuns: 2000 })
  })

  it('cannot be made slow by a name', () => {
    const name = 'a'.repeat(200_000)
    expect(matchesGlob('a*a*a*a*a*a*a*a*a*a*b', name)).toBe(false)
    expect(matchesGlob('*a*a*a*a*b*a', name)).toBe(false)
    expect(matchesGlob('a*a*a*a', name)).toBe(true)
  })
})

it('decides the same whenever it is asked, under these rules and others, and about more names than it remembers', () => {
  const some: MessageRules = { deny: ['tool_1*'], scopes: [] }
  const others: MessageRules = { allow: ['tool_1*'], deny: [], scopes: [] }
  const names = Array.from({ length: 1500 }, (_, index) => `tool_${index}`)
  const outcomes = (which: MessageRules) => names.map((name) => decideOperations(which, [], [tool(name)]).outcome)
  const first = outcomes(some)
  expect(first.slice(0, 3)).toEqual(['allowed', 'denied', 'allowed'])
  expect(outcomes(some)).toEqual(first)
  expect(outcomes(others)).toEqual(first.map((outcome) => (outcome === 'denied' ? 'allowed' : 'denied')))
})
