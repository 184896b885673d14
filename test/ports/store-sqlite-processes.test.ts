import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { migrateSqlite, openSqliteStore } from '../../src/storage/sqlite.ts'
import { type Store, StoreRefused } from '../../src/storage/store.ts'

const CHILD = fileURLToPath(new URL('./store-sqlite-child.ts', import.meta.url))

describe('an SQLite store among processes', () => {
  let directory: string
  let file: string
  const children: ChildProcess[] = []

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'gatehouse-processes-'))
    file = join(directory, 'gatehouse.db')
  })
  afterEach(async () => {
    await Promise.all(children.splice(0).map(kill))
    rmSync(directory, { recursive: true })
  })

  it('refuses a file that another process has open, and takes it once that one is killed (X-12, C45, C10)', async () => {
    const holder = start('hold')
    expect(await next(holder)).toBe('open')
    await expect(openSqliteStore({ file })).rejects.toThrow(StoreRefused)
    await expect(openSqliteStore({ file })).rejects.toThrow(/Another process has .* open\. Stop it first/)
    await expect(migrateSqlite({ file })).rejects.toThrow(StoreRefused)
    await kill(holder.child)
    const store = await openSqliteStore({ file })
    await expect(store.ping()).resolves.toBeUndefined()
    await store.close()
  })

  it('lets a second process in neither through another name nor after failed attempts of its own', async () => {
    const store = await openSqliteStore({ file })
    const link = join(directory, 'link.db')
    symlinkSync(file, link)
    for (const name of [file, link, file]) {
      const second = start('hold', { file: name })
      expect(await next(second)).toMatch(/^StoreRefused: Another process has .*gatehouse\.db open/)
      const [exitCode] = await once(second.child, 'exit')
      expect(exitCode).toBe(2)
      await expect(openSqliteStore({ file: name })).rejects.toThrow(StoreRefused)
    }
    await store.close()
    expect(await next(start('hold', { file: link }))).toBe('open')
  })

  it('has lost no acknowledged write when it is killed at any moment (C06, B154, I1)', async () => {
    const acknowledged: string[] = []
    for (const round of ['a', 'b', 'c']) {
      const writer = start('write', { argument: round })
      for (let count = 0; count < 40; count++) acknowledged.push(await next(writer))
      acknowledged.push(...(await killAndDrain(writer)))
    }
    expect(acknowledged.length).toBeGreaterThanOrEqual(120)
    const store = await openSqliteStore({ file })
    const lost: string[] = []
    for (const line of acknowledged) if (!(await stands(store, line, acknowledged))) lost.push(line)
    expect(lost).toEqual([])
    await store.close()
  })

  it('rejects writes on a full disk, says that it is not ready, and still reads (C41)', async () => {
    const limited = spawn('sh', ['-c', 'ulimit -f 600; exec "$0" "$@"', process.execPath, CHILD, 'fill', file])
    const child = listen(limited)
    expect(await next(child)).toBe('StoreUnavailable: the database did not do what was asked')
    expect(await next(child)).toBe('StoreUnavailable: the database did not do what was asked')
    expect(await next(child)).toBe('reads')
    await once(limited, 'exit')
    const store = await openSqliteStore({ file })
    expect(await store.findAccess('access first')).toBeDefined()
    await expect(store.ping()).resolves.toBeUndefined()
    await store.close()
  })

  it('says what to do when it may not write the directory or the file', async () => {
    await (await openSqliteStore({ file })).close()
    chmodSync(file, 0o444)
    chmodSync(`${file}.lock`, 0o666)
    chmodSync(directory, 0o555)
    const missing = start('hold', { file: join(directory, 'x.db'), argument: 'unprivileged' })
    expect(await next(missing)).toMatch(/^StoreRefused: Cannot create .*x\.db\. Make the directory writable/)
    const nested = start('hold', { file: join(directory, 'data', 'x.db'), argument: 'unprivileged' })
    expect(await next(nested)).toMatch(/^StoreRefused: Cannot create the directory .*data\. Create it yourself/)
    chmodSync(directory, 0o777)
    const readOnly = start('hold', { argument: 'unprivileged' })
    expect(await next(readOnly)).toMatch(/^StoreRefused: Cannot write .*gatehouse\.db\. Make the file/)
  })

  interface Child {
    readonly child: ChildProcess
    readonly lines: AsyncIterator<string>
  }

  function start(command: string, options: { file?: string; argument?: string } = {}): Child {
    return listen(spawn(process.execPath, [CHILD, command, options.file ?? file, options.argument ?? '']))
  }

  function listen(child: ReturnType<typeof spawn>): Child {
    children.push(child)
    if (!child.stdout) throw new Error('a child without output')
    return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() }
  }
})

async function next(child: { readonly lines: AsyncIterator<string> }): Promise<string> {
  const { value, done } = await child.lines.next()
  return done ? '(the process ended)' : value
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

/** Kills it in the middle of its work; returns what it had said by then. */
async function killAndDrain(child: { readonly child: ChildProcess; readonly lines: AsyncIterator<string> }) {
  await kill(child.child)
  const rest: string[] = []
  for (let line = await child.lines.next(); !line.done; line = await child.lines.next()) rest.push(line.value)
  return rest
}

async function stands(store: Store, line: string, acknowledged: readonly string[]): Promise<boolean> {
  const [verb, id = ''] = line.split(' ')
  const grant = await store.findGrant(id)
  if (verb === 'revoked') return grant?.status === 'revoked' && (await store.findAccess(`access ${id}`)) === undefined
  // A revocation that was committed but not yet said would explain missing tokens of the last one.
  if (acknowledged.includes(`revoked ${id}`) || grant?.status === 'revoked') return grant !== undefined
  if (verb === 'created') return grant !== undefined
  if (verb === 'redeemed') return (await store.findAccess(`access ${id}`)) !== undefined
  return grant?.generation === 2 && (await store.findAccess(`second ${id}`)) !== undefined
}
