import Database from 'better-sqlite3'
import { hashToken, mintToken } from '../../../src/domain/token.ts'

/** More than the gateway remembers: by the time a token comes round again, it has been forgotten. */
const COUNT = 12_000

/** Access tokens of the grant that `token` belongs to, stored as refreshes would have stored them, in one transaction. */
export function mintTokens(databaseFile: string, token: string): [string, ...string[]] {
  const database = new Database(databaseFile, { fileMustExist: true })
  try {
    const copy = database.prepare(
      `INSERT INTO access_tokens (hash, grant_id, scopes, expires_at)
       SELECT ?, grant_id, scopes, expires_at FROM access_tokens WHERE hash = ?`,
    )
    const minted = Array.from({ length: COUNT }, () => mintToken('access'))
    const from = hashToken(token)
    database.transaction(() => minted.map(({ hash }) => copy.run(hash, from)))()
    return [token, ...minted.map((each) => each.token.reveal())]
  } finally {
    database.close()
  }
}
