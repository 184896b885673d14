import { describe, expect, it } from 'vitest'
import { ok } from '../../src/domain/result.ts'
import type { Egress, Fetched, GetOptions } from '../../src/http/egress.ts'
import { createPublishedJson } from '../../src/http/published-json.ts'

const URL = 'https://app.example/client.json'
const NOW = 1_800_000_000_000
const MINUTE = 60_000
const HOUR = 60 * MINUTE

function answer(body: string | Uint8Array, headers: Record<string, string> = {}, status = 200): Fetched {
  const all = { 'content-type': 'application/json', ...headers }
  return { outcome: 'answered', status, headers: new Map(Object.entries(all)), body: Buffer.from(body) }
}

/** A memory whose fetches answer what `next` says, at a time that tests move. */
function memory(next: (url: string) => Fetched | Promise<Fetched>, maxCopies = 10) {
  const asked: { url: string; options: GetOptions }[] = []
  const clock = { now: NOW }
  const egress: Egress = {
    async get(url, options) {
      asked.push({ url, options })
      return next(url)
    },
  }
  const published = createPublishedJson<object>({
    egress,
    maxBytes: 5120,
    maxCopies,
    parse: (body) => (typeof body === 'object' && body ? ok(body) : { ok: false, failure: 'no object' }),
    now: () => clock.now,
  })
  const read = async () => {
    const found = await published.read(URL)
    return found.ok ? found.value.value : found.failure
  }
  return { published, read, asked, clock }
}

describe('how long a copy is fresh (R-38, B049)', () => {
  it.each<[string, Record<string, string>, number]>([
    ['nothing is said', {}, HOUR],
    ['max-age', { 'cache-control': 'public, max-age=600' }, 10 * MINUTE],
    ['max-age, some of it used up on the way', { 'cache-control': 'max-age=900', age: '300' }, 10 * MINUTE],
    ['a shorter max-age than ours', { 'cache-control': 'max-age=1' }, 5 * MINUTE],
    ['no-store', { 'cache-control': 'no-store, max-age=600' }, 5 * MINUTE],
    ['no-cache', { 'cache-control': 'no-cache' }, 5 * MINUTE],
    ['a longer max-age than ours', { 'cache-control': 'max-age=31536000, immutable' }, 24 * HOUR],
    ['Expires', { expires: new Date(NOW + 20 * MINUTE).toUTCString() }, 20 * MINUTE],
    ['an Expires that cannot be read', { expires: '0' }, 5 * MINUTE],
    ['max-age besides Expires', { expires: '0', 'cache-control': 'max-age=600' }, 10 * MINUTE],
  ])('%s', async (_, headers, freshMs) => {
    const { read, asked, clock } = memory(() => answer('{}', headers))
    await read()
    clock.now += freshMs - 1
    await read()
    expect(asked).toHaveLength(1)
    clock.now += 1
    await read()
    expect(asked).toHaveLength(2)
  })

  it('asks again before that for a copy that is older than wanted, once', async () => {
    const { published, asked, clock } = memory(() => answer('{}'))
    await published.read(URL)
    clock.now += MINUTE
    await published.read(URL, { notBefore: clock.now })
    await published.read(URL, { notBefore: clock.now })
    expect(asked).toHaveLength(2)
  })
})

describe('failures (R-38, B049)', () => {
  it.each<[string, Fetched, boolean]>([
    ['an address that may not be asked', { outcome: 'refused', reason: 'address_not_public' }, false],
    ['no answer', { outcome: 'failed', reason: 'timed_out' }, true],
    ['a redirect', answer('{}', { location: URL }, 302), false],
    ['404', answer('{}', {}, 404), false],
    ['204', answer('', {}, 204), false],
    ['403, which clouds get from some vendors', answer('{}', {}, 403), true],
    ['500', answer('{}', {}, 500), true],
    ['a page', answer('{}', { 'content-type': 'text/html' }), false],
    ['no type', answer('{}', { 'content-type': '' }), false],
    ['a type that only begins like JSON', answer('{}', { 'content-type': 'application/jsonp' }), false],
    ['two types', answer('{}', { 'content-type': 'text/html, application/json' }), false],
    ['broken JSON', answer('{'), false],
    ['something else than was looked for', answer('7'), false],
  ])('%s', async (_, fetched, transient) => {
    const { read, asked, clock } = memory(() => fetched)
    expect(await read()).toMatchObject({ transient })
    await read()
    expect(asked).toHaveLength(1)
    clock.now += 5000
    await read()
    expect(asked).toHaveLength(2)
  })

  it('are bytes that are no UTF-8', async () => {
    const broken = answer(Uint8Array.of(0x22, 0xff, 0x22))
    expect(await memory(() => broken).read()).toMatchObject({ transient: false, reason: 'not_json' })
  })

  it.each(['application/json; charset=utf-8', 'Application/JSON', 'application/oauth-client+json'])(
    'do not come from the type %s',
    async (type) => expect(await memory(() => answer('{"a":1}', { 'content-type': type })).read()).toEqual({ a: 1 }),
  )

  it('never take the place of a copy (B049)', async () => {
    const answers = [answer('{"a":1}', { 'cache-control': 'no-store' }), answer('', {}, 500)]
    const { published, read, clock } = memory(() => answers.shift() ?? answer('{"a":2}'))
    await read()
    clock.now += 5 * MINUTE
    expect(await read()).toMatchObject({ transient: true })
    expect(published.peek(URL)?.value).toEqual({ a: 1 })
    clock.now += 5000
    expect(await read()).toEqual({ a: 2 })
  })

  it('of a budget are not remembered against the address (B050)', async () => {
    const answers: Fetched[] = [{ outcome: 'busy', reason: 'too_many_for_caller' }]
    const { read } = memory(() => answers.shift() ?? answer('{"a":1}'))
    expect(await read()).toMatchObject({ transient: true })
    expect(await read()).toEqual({ a: 1 })
  })
})

describe('many at once', () => {
  it('share one fetch, a failing one too (R-41, B050)', async () => {
    let release: (fetched: Fetched) => void = () => undefined
    const { read, asked } = memory(
      () =>
        new Promise((resolve) => {
          release = resolve
        }),
    )
    const waiting = Array.from({ length: 1000 }, read)
    release({ outcome: 'failed', reason: 'timed_out' })
    const failures = await Promise.all(waiting)
    expect(asked).toHaveLength(1)
    expect(failures.every((failure) => 'reason' in failure && failure.reason === 'timed_out')).toBe(true)
  })

  it('copies make room for each other, so that memory is bounded (B049)', async () => {
    const { published } = memory(() => answer('{}'), 2)
    for (const name of ['a', 'b', 'c']) await published.read(`https://app.example/${name}`)
    expect(published.peek('https://app.example/a')).toBeUndefined()
    expect(published.peek('https://app.example/c')).toBeDefined()
  })
})
