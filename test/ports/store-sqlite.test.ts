import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqliteStore } from '../../src/storage/sqlite.ts'
import { describeStore } from './store.suite.ts'

describeStore('SQLite', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gatehouse-store-'))
  const file = join(directory, 'gatehouse.db')
  let current = await openSqliteStore({ file })
  return {
    store: current,
    async reopen() {
      await current.close()
      current = await openSqliteStore({ file })
      return current
    },
    async dispose() {
      await current.close()
      rmSync(directory, { recursive: true })
    },
  }
})
