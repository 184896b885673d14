import Database from 'better-sqlite3'
import { afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { type Rig, type RigOptions, startRig } from '../conformance/rig.ts'
import { ask, observe, type Seen } from '../fixtures/http-exchange.ts'

/** A gateway that is attacked case by case, and what must hold after each of them. */
export interface UnderAttack {
  readonly rig: Rig
}

/** Long enough for a busy machine: this finds requests that hang, it measures nothing. */
const HANGS_MS = 8000
const ROUTES = ['/r1/mcp', '/r2/mcp', '/home']
const CREDENTIAL = /mgh_(?:at|rt|ac)_[A-Za-z0-9_-]{20,}|"client_secret":|"registration_access_token":/

/** A token, code or refresh token in the clear; and what only a browser or a client may know. */
const LOGGED = /mgh_(?:at|rt|ac)_[A-Za-z0-9_-]{8,}|code_verifier|"(?:cookie|authorization|set-cookie)":/i

/** Starts a gateway for the tests of this file and asserts the oracles after each of them. */
export function underAttack(options: RigOptions = {}): UnderAttack {
  let rig: Rig | undefined
  let seen: Seen[] = []
  let logged = 0
  let rows = ''
  beforeAll(async () => {
    rig = await startRig(options)
    const stop = observe((one) => seen.push(one))
    return async () => {
      stop()
      await rig?.close()
    }
  })
  beforeEach(() => {
    seen = []
    if (!rig) return
    rig.forwarded.length = 0
    logged = rig.log().length
    rows = countRows(rig)
  })
  afterEach(async () => {
    if (!rig) return
    await expectOracles(rig, seen, rig.log().slice(logged))
    // Only refusals in this case: then nothing was stored and nothing was lost.
    const refusedAll = answersOf(rig, seen).every(({ answer }) => statusOf(answer) >= 400)
    if (refusedAll) expect(countRows(rig), 'O6').toBe(rows)
  })
  return {
    get rig() {
      if (!rig) throw new Error('only within a test')
      return rig
    },
  }
}

/**
 * O1 it lives; O2 nothing failed; O3 MCP servers saw what was answered and nothing else; O4 no redirect to strangers;
 * O5 no token of ours is in the log (O6, unchanged rows, is asserted by underAttack); O8 nothing secret may be stored; O9 nothing hangs; O10 every 401 on a route leads to its metadata.
 */
export async function expectOracles(rig: Rig, seen: readonly Seen[], log: string): Promise<void> {
  const ours = oursOf(rig, seen)
  const answers = answersOf(rig, seen)

  expect((await ask(`${rig.operations}/healthz`)).status, 'O1').toBe(200)
  for (const { answer, url } of answers) expect(statusOf(answer), `O2 ${url}`).toBeLessThan(500)
  expect(log.match(/"level":[56]0[^\n]*/)?.[0], 'O2').toBeUndefined()

  const served = answers.filter(
    ({ url, method, answer }) => statusOf(answer) === 200 && (method === 'RAW' || isRoute(url)),
  )
  expect(rig.forwarded.length, 'O3').toBe(served.filter(({ answer }) => answer.includes('"result":{"server":"')).length)

  expect(log.match(LOGGED)?.[0], 'O5').toBeUndefined()
  for (const { answer } of answers) {
    const location = header(answer, 'location')
    const good = [
      `${rig.identityProvider.issuer}/auth?`,
      `${rig.issuer}/callback/home?`,
      'http://127.0.0.1:9',
      'https://static.example/cb?',
    ]
    if (location !== undefined)
      expect(
        good.some((prefix) => location.startsWith(prefix)),
        `O4 ${location}`,
      ).toBe(true)
    const isSecret = CREDENTIAL.test(answer) || header(answer, 'set-cookie') !== undefined || location !== undefined
    if (isSecret) expect(header(answer, 'cache-control'), `O8 ${answer.slice(0, 300)}`).toMatch(/no-store/)
  }
  for (const { url, elapsedMs } of ours) expect(elapsedMs, `O9 ${url}`).toBeLessThan(HANGS_MS)
  for (const { answer, url } of answers.filter(({ answer, url }) => statusOf(answer) === 401 && isRoute(url))) {
    const metadata = `${rig.issuer}/.well-known/oauth-protected-resource${url.pathname.replace(/\/$/, '')}`
    expect(header(answer, 'www-authenticate'), 'O10').toMatch(/^Bearer /)
    expect(header(answer, 'www-authenticate'), 'O10').toContain(`resource_metadata="${metadata}"`)
  }
}

function oursOf(rig: Rig, seen: readonly Seen[]): readonly Seen[] {
  return seen.filter(({ url }) => url.port === new URL(rig.address).port)
}

function answersOf(rig: Rig, seen: readonly Seen[]) {
  return oursOf(rig, seen).flatMap(({ method, url, text }) =>
    splitAnswers(text).map((answer) => ({ method, url, answer })),
  )
}

/** How many rows each table has. */
function countRows(rig: Rig): string {
  const database = new Database(rig.databaseFile, { readonly: true })
  try {
    const names = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").pluck().all()
    return names
      .map((name) => `${name}: ${database.prepare(`SELECT count(*) FROM "${name}"`).pluck().get()}`)
      .join(', ')
  } finally {
    database.close()
  }
}

function isRoute(url: URL): boolean {
  return ROUTES.includes(url.pathname.replace(/\/$/, ''))
}

/** The answers on one connection; bodies of ours never hold a status line. */
function splitAnswers(text: string): string[] {
  return text.split(/(?=HTTP\/1\.[01] \d{3} ?)/).filter((part) => part.startsWith('HTTP/1.'))
}

function statusOf(answer: string): number {
  return Number(answer.slice(9, 12))
}

function header(answer: string, name: string): string | undefined {
  const head = answer.slice(0, answer.indexOf('\r\n\r\n'))
  return new RegExp(`^${name}: *(.*)$`, 'im').exec(head)?.[1]?.trimEnd()
}
