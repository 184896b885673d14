import { createRequire } from 'node:module'

// As ES modules its hundred files take a third of the start: for each of them Node parses the package's manifest, of 180 KB.
const load = createRequire(import.meta.url)

/** What the storage uses of drizzle-orm, loaded as CommonJS. */
export const {
  and,
  asc,
  eq,
  getTableColumns,
  gt,
  gte,
  inArray,
  isNotNull,
  isNull,
  lt,
  lte,
  notExists,
  notInArray,
  or,
  sql,
} = load('drizzle-orm') as typeof import('drizzle-orm')
export const { drizzle } = load('drizzle-orm/better-sqlite3') as typeof import('drizzle-orm/better-sqlite3')
export const { index, integer, sqliteTable, text, uniqueIndex } = load(
  'drizzle-orm/sqlite-core',
) as typeof import('drizzle-orm/sqlite-core')
