import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hashPassword } from '../../src/domain/password-hash.ts'
import { createBrowser } from '../fixtures/browser.ts'
import { type SpawnedGateway, spawnTestGateway } from '../fixtures/gateway.ts'
import { type LedgerProvider, startLedgerProvider } from '../fixtures/ledger-provider.ts'
import {
  authorizeUrl,
  callRoute,
  type KnownClient,
  obtainTokens,
  pkce,
  redeem,
  register,
  type Tokens,
  tokensOf,
} from '../fixtures/oauth-requests.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'
import { findSecrets } from '../fixtures/secret-search.ts'

/** Users with a token of their own, by name; each one but alice becomes the victim of one move. */
const USERS = ['alice', 'bob', 'erin', 'frank', 'gina']
const patOf = (user: string, path = '/one') => `ghp_${user}_${path.slice(1)}_0123456789abcdef`

let provider: LedgerProvider
let server: PlainServer
let gateway: SpawnedGateway
/** Credentials that the MCP server got. */
let sent: (string | undefined)[]
const ofUser = new Map<string, Tokens>()
let aliceTwo: Tokens
let carol: Tokens
let dave: Tokens

beforeAll(async () => {
  sent = []
  provider = await startLedgerProvider({ graceMs: 30_000, accessTtlSeconds: 3600 })
  server = await startPlainServer(({ headers }, response) => {
    sent.push(headers.authorization?.replace('Bearer ', ''))
    response.end('{}')
  })
  const hash = await hashPassword('a password')
  const pat = { upstream: server.url, sign_in: 'home', credential: { kind: 'user-pat', label: 'token' } }
  gateway = await spawnTestGateway({
    providers: {
      home: { type: 'password', users: Object.fromEntries(USERS.map((user) => [user, hash])) },
      corp: provider.yaml,
    },
    routes: {
      '/one': pat,
      '/two': pat,
      '/held': { upstream: server.url, sign_in: 'corp', credential: { kind: 'provider-token' } },
    },
    limits: { pages: 1000 },
  })
  const [one, two, three] = [
    await register(gateway.issuer),
    await register(gateway.issuer),
    await register(gateway.issuer),
  ]
  for (const user of USERS) ofUser.set(user, await connect(user === 'bob' ? two : one, user, '/one'))
  aliceTwo = await connect(three, 'alice', '/two')
  carol = await held('carol', one)
  dave = await held('dave', two)
})
afterAll(async () => {
  await Promise.all([gateway?.close(), server?.close(), provider?.close()])
})

const tokensOfUser = (user: string) => ofUser.get(user) ?? raise(user)

function raise(user: string): never {
  throw new Error(`${user} has not signed in`)
}

function held(subject: string, client: KnownClient): Promise<Tokens> {
  provider.setNextUser(subject)
  return obtainTokens(gateway.issuer, client, { resource: `${gateway.issuer}/held` })
}

async function connect(client: KnownClient, user: string, path: string): Promise<Tokens> {
  const { verifier, challenge } = pkce()
  const browser = createBrowser({ stopAt: [client.redirectUri] })
  const resource = gateway.issuer + path
  const consent = await browser.get(authorizeUrl(gateway.issuer, client, { code_challenge: challenge, resource }))
  const signIn = await browser.submit(consent.form(), { decision: 'approve' })
  const page = await browser.submit(signIn.form(), { username: user, password: 'a password' })
  const tried = await browser.submit(page.form(), { pat: patOf(user, path), decision: 'connect' })
  const keep = () => tried.forms.find((form) => form.choices('decision').includes('keep')) ?? tried.form()
  const end = tried.stopped ? tried : await browser.submit(keep(), { decision: 'keep' })
  const code = end.url.searchParams.get('code') ?? ''
  return tokensOf(
    client,
    await redeem(gateway.issuer, { client, code, verifier, answer: end.url.searchParams, browser }),
  )
}

/** What the server gets of a call with these tokens, or the status of the refusal. */
async function outcome(path: string, { accessToken }: Tokens): Promise<string | number | undefined> {
  const before = sent.length
  const { status } = await callRoute(gateway.issuer + path, accessToken)
  return sent.length > before ? sent.at(-1) : status
}

/** Everybody's call reaches the server with their own credential. */
async function expectAllWell(): Promise<void> {
  for (const [user, tokens] of ofUser) expect(await outcome('/one', tokens)).toBe(patOf(user))
  expect(await outcome('/two', aliceTwo)).toBe(patOf('alice', '/two'))
  for (const [tokens, subject] of [[carol, 'carol'] as const, [dave, 'dave'] as const])
    expect(provider.subjectOf(String(await outcome('/held', tokens)))).toBe(subject)
}

/** Runs `work` on the file of a gateway that is stopped, and starts it again. */
async function whileStopped(work: (database: Database.Database) => void): Promise<void> {
  await gateway.kill()
  const database = new Database(gateway.databaseFile)
  database.pragma('foreign_keys = OFF')
  work(database)
  database.close()
  await gateway.restart()
}

describe('a database without its key (U-10, B281)', () => {
  it('holds no token, credential, key or address that could be used or read, in the write-ahead log neither', async () => {
    await expectAllWell()
    const directory = dirname(gateway.databaseFile)
    const files = readdirSync(directory).filter((name) => name.startsWith('gatehouse.db'))
    const bytes = files.map((name) => readFileSync(join(directory, name), 'latin1')).join('\n')
    const secrets = Object.entries({
      ...Object.fromEntries(USERS.map((user) => [user, patOf(user)])),
      ...Object.fromEntries(
        [...ofUser.values(), aliceTwo, carol, dave].flatMap(({ accessToken, refreshToken }, index) => [
          [`access token ${index}`, accessToken],
          [`refresh token ${index}`, refreshToken],
        ]),
      ),
      ...Object.fromEntries(provider.secrets().map((value, index) => [`of the provider ${index}`, value])),
      'encryption key': gateway.encryptionKey,
    }).map(([name, value]) => ({ name, value }))
    expect(secrets.length).toBeGreaterThan(15)
    expect(findSecrets(bytes, secrets)).toEqual([])
    // What is searched for would be found.
    expect(bytes).toContain('/held')
  })
})

describe('a sealed value that was moved (B281)', () => {
  /** What was there before, to be put back. */
  let undo: (database: Database.Database) => void

  beforeAll(() =>
    whileStopped((database) => {
      const undoing: (readonly [statement: string, value: unknown, id: string])[] = []
      const read = (query: string, id: string) => String(database.prepare(query).pluck().get(id))
      const grantIds = database.prepare('SELECT id FROM grants ORDER BY rowid').pluck().all() as string[]
      const [alice = '', bob = '', erin = '', frank = '', gina = '', two = '', carolId = '', daveId = ''] = grantIds
      const shared = (grant: string) => read('SELECT shared_credential_id FROM grants WHERE id = ?', grant)
      const own = (grant: string) => read('SELECT id FROM credentials WHERE grant_id = ?', grant)
      const sealed = (credential: string) => read('SELECT sealed FROM credentials WHERE id = ?', credential)
      function move(table: 'grants' | 'credentials', column: string, id: string, value: string): void {
        const statement = `UPDATE ${table} SET ${column} = ? WHERE id = ?`
        undoing.push([statement, read(`SELECT ${column} FROM ${table} WHERE id = ?`, id), id])
        expect(database.prepare(statement).run(value, id).changes).toBe(1)
      }
      const alicePat = sealed(shared(alice))
      move('credentials', 'sealed', shared(bob), alicePat)
      move('credentials', 'sealed', shared(two), alicePat)
      move('grants', 'shared_credential_id', erin, shared(alice))
      move('grants', 'sealed_identity', frank, read('SELECT sealed_identity FROM grants WHERE id = ?', alice))
      move('grants', 'route_path', gina, '/two')
      move('credentials', 'sealed', own(daveId), sealed(own(carolId)))
      undo = (later) => {
        for (const [statement, value, id] of undoing) later.prepare(statement).run(value, id)
      }
    }),
  )

  it.each([
    ['to the row of another user does not open', 'bob', '/one'],
    ['does not open for a grant of somebody else that names its row', 'erin', '/one'],
    ['does not make one user of another: an identity opens for its own grant alone', 'frank', '/one'],
    ['does not follow a grant to another route', 'gina', '/two'],
  ])('%s', async (_what, user, path) => {
    expect(await outcome(path, tokensOfUser(user))).toBe(401)
  })

  it('to another route of the same user does not open', async () => {
    expect(await outcome('/two', aliceTwo)).toBe(401)
  })

  it('does not open for the grant of another user: tokens of a provider', async () => {
    expect(await outcome('/held', dave)).toBe(401)
  })

  it('costs nobody anything from whom it was copied, and everybody is well when it is put back', async () => {
    expect(await outcome('/one', tokensOfUser('alice'))).toBe(patOf('alice'))
    expect(provider.subjectOf(String(await outcome('/held', carol)))).toBe('carol')
    await whileStopped((database) => undo(database))
    await expectAllWell()
  })
})

describe('a user who is taken out of the configuration (U-06)', () => {
  it('is out with the restart, and nobody else is', async () => {
    const file = join(dirname(gateway.databaseFile), 'gateway.yaml')
    const before = readFileSync(file, 'utf8')
    const yaml = JSON.parse(before)
    delete yaml.providers.home.users.alice
    await whileStopped(() => writeFileSync(file, JSON.stringify(yaml)))
    expect(await outcome('/one', tokensOfUser('alice'))).toBe(401)
    expect(await outcome('/two', aliceTwo)).toBe(401)
    expect(await outcome('/one', tokensOfUser('bob'))).toBe(patOf('bob'))
    await whileStopped(() => writeFileSync(file, before))
    await expectAllWell()
  })
})
