import Database from 'better-sqlite3'
import { openSqliteStore } from '../../src/storage/sqlite.ts'
import type { Store } from '../../src/storage/store.ts'

// A second process for store-sqlite-processes.test.ts: `node store-sqlite-child.ts <command> <file> [argument]`.

const END = 4_000_000_000_000

const commands: Record<string, (store: Store, argument: string) => Promise<void>> = { hold, write, fill, collect }

const [command = '', file = '', argument = ''] = process.argv.slice(2)
const run = commands[command]
if (!run) throw new Error('unknown command')
// Exceeding the file size limit is an error of the write, not the end of the process.
process.on('SIGXFSZ', () => {})
if (argument === 'unprivileged') {
  // Loads the native library while it can still be read, whoever owns the checkout.
  new Database(':memory:').close()
  if (process.getuid?.() === 0) process.setuid?.(65_534)
}
try {
  await run(await openSqliteStore({ file }), argument)
} catch (error) {
  say(error instanceof Error ? `${error.name}: ${error.message}` : 'not an error')
  process.exit(2)
}

/** Keeps the store open until the process is killed: one that nobody knows any more is collected, and its lock with it. */
async function hold(store: Store): Promise<void> {
  say('open')
  setInterval(() => store, 60_000)
}

/** Writes until the process is killed and says what was acknowledged. */
async function write(store: Store, prefix: string): Promise<void> {
  for (let count = 0; ; count++) {
    const id = `${prefix}-${count}`
    const access = { hash: `access ${id}`, grantId: id, scopes: [], expiresAt: END }
    await createGrant(store, id)
    say(`created ${id}`)
    await store.redeemCode(`code ${id}`, access, 1)
    say(`redeemed ${id}`)
    await store.advanceGeneration(id, 1, { ...access, hash: `second ${id}` }, 2, 0)
    say(`rotated ${id}`)
    if (count % 2 === 0) continue
    await store.revokeGrant(id)
    say(`revoked ${id}`)
  }
}

/** Collects what has ended in the smallest steps, and says how many rows each deleted. */
async function collect(store: Store): Promise<void> {
  for (let deleted = 1; deleted > 0; ) {
    await store.takeEnded(END - 1, 1)
    deleted = await store.deleteExpired(END - 1, 1)
    say(`deleted ${deleted}`)
  }
  setInterval(() => {}, 60_000)
}

/** Writes until the disk is full, then says what still works. */
async function fill(store: Store): Promise<void> {
  const access = { hash: 'access first', grantId: 'first', scopes: [], expiresAt: END }
  await createGrant(store, 'first')
  await store.redeemCode('code first', access, 1)
  say(await failureOf((count) => createGrant(store, `${count}`)))
  // Smaller than a grant: a few more of them may fit.
  say(await failureOf(() => store.ping()))
  say((await store.findAccess('access first')) ? 'reads' : 'does not read')
}

async function failureOf(work: (count: number) => Promise<void>): Promise<string> {
  for (let count = 0; count < 10_000; count++) {
    try {
      await work(count)
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}` : 'not an error'
    }
  }
  return 'never full'
}

async function createGrant(store: Store, id: string): Promise<void> {
  const about = { id, clientId: 'c', routePath: '/r', resource: 'r', scopes: [], sealedIdentity: 'i'.repeat(1_000) }
  const times = { rotatedAt: 0, createdAt: 0, expiresAt: END }
  await store.createGrant(
    { ...about, ...times, status: 'pending', generation: 0 },
    { hash: `code ${id}`, grantId: id, clientId: 'c', redirectUri: 'u', codeChallenge: 'x', expiresAt: END },
  )
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
