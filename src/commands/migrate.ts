import { orCannotStart } from './cannot-start.ts'
import { loadOrReport } from './load-or-report.ts'

/** `gatehouse migrate`: applies what is pending and prints it. Resolves to the exit code. */
export async function migrate(file: string): Promise<number> {
  const config = loadOrReport(file)
  if (!config) return 1
  const { migrateSqlite } = await import('../storage/sqlite.ts')
  return orCannotStart(async () => {
    const { applied } = await migrateSqlite({ file: config.database.file })
    process.stdout.write(
      applied.length === 0 ? 'nothing to apply\n' : applied.map((name) => `applied ${name}\n`).join(''),
    )
    return 0
  })
}
