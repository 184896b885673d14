import type { Client } from '../domain/client.ts'
import type { Grant } from '../domain/grant.ts'
import { index, integer, sql, sqliteTable, text, uniqueIndex } from './drizzle.ts'
import type { CredentialPurpose, CredentialRow } from './records.ts'

// The tables as migrations/sqlite creates them; a test compares the two. All times are milliseconds since 1970.

/** Registered clients (RFC 7591). */
export const clients = sqliteTable(
  'clients',
  {
    clientId: text('client_id').primaryKey().notNull(),
    origin: text('origin').$type<Client['origin']>().notNull(),
    clientName: text('client_name'),
    redirectUris: strings('redirect_uris'),
    tokenEndpointAuthMethod: text('token_endpoint_auth_method').$type<Client['tokenEndpointAuthMethod']>().notNull(),
    secretHash: text('secret_hash'),
    grantTypes: strings('grant_types'),
    applicationType: text('application_type').$type<Client['applicationType']>().notNull(),
    clientUri: text('client_uri'),
    scope: text('scope'),
    createdAt: integer('created_at').notNull(),
    registrationTokenHash: text('registration_token_hash'),
    keys: text('keys', { mode: 'json' }).$type<NonNullable<Client['keys']>>(),
    /** Not part of the client: only what is collected depends on it. */
    lastUsedAt: integer('last_used_at'),
  },
  (table) => [
    index('clients_created_at').on(table.createdAt),
    index('clients_last_use').on(sql`coalesce(${table.lastUsedAt}, ${table.createdAt})`),
  ],
)

/** Authorizations on their way through a browser, sealed. */
export const interactions = sqliteTable(
  'interactions',
  {
    id: text('id').primaryKey().notNull(),
    version: integer('version').notNull(),
    sealed: text('sealed').notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [
    index('interactions_expires_at').on(table.expiresAt),
    index('interactions_version_expires_at').on(table.version, table.expiresAt),
  ],
)

/** Grants; everything below hangs on one and goes with it. */
export const grants = sqliteTable(
  'grants',
  {
    id: text('id').primaryKey().notNull(),
    clientId: text('client_id').notNull(),
    routePath: text('route_path').notNull(),
    resource: text('resource').notNull(),
    scopes: strings('scopes'),
    sealedIdentity: text('sealed_identity').notNull(),
    status: text('status').$type<Grant['status']>().notNull(),
    generation: integer('generation').notNull(),
    rotatedAt: integer('rotated_at').notNull(),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
    sharedCredentialId: text('shared_credential_id'),
  },
  (table) => [
    index('grants_client_id').on(table.clientId),
    index('grants_expires_at').on(table.expiresAt),
    index('grants_shared_credential').on(table.sharedCredentialId).where(sql`shared_credential_id IS NOT NULL`),
    // Partial, because only collection asks for it and few rows are in this state.
    index('grants_revoked').on(table.id).where(sql`status = 'revoked'`),
  ],
)

/** Authorization codes, by hash. */
export const codes = sqliteTable(
  'codes',
  {
    hash: text('hash').primaryKey().notNull(),
    grantId: grantId(),
    clientId: text('client_id').notNull(),
    redirectUri: text('redirect_uri').notNull(),
    codeChallenge: text('code_challenge').notNull(),
    expiresAt: integer('expires_at').notNull(),
    redeemedAt: integer('redeemed_at'),
  },
  (table) => [index('codes_grant_id').on(table.grantId), index('codes_expires_at').on(table.expiresAt)],
)

/** Access tokens, by hash. */
export const accessTokens = sqliteTable(
  'access_tokens',
  {
    hash: text('hash').primaryKey().notNull(),
    grantId: grantId(),
    scopes: strings('scopes'),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [index('access_tokens_grant_id').on(table.grantId), index('access_tokens_expires_at').on(table.expiresAt)],
)

/**
 * Tokens, sealed; `lease_until` says who may refresh one, `presented_at` since when the provider may have exchanged its
 * refresh token, `relayed_at` since when another has answered for it, `version` whose result counts.
 */
export const credentials = sqliteTable(
  'credentials',
  {
    id: text('id').primaryKey().notNull(),
    grantId: text('grant_id').references(() => grants.id, { onDelete: 'cascade' }),
    version: integer('version').notNull(),
    sealed: text('sealed').notNull(),
    expiresAt: integer('expires_at'),
    state: text('state').$type<CredentialRow['state']>().notNull(),
    leaseUntil: integer('lease_until'),
    presentedAt: integer('presented_at'),
    purpose: text('purpose').$type<CredentialPurpose>().notNull().default('server'),
    usedAt: integer('used_at'),
    relayedAt: integer('relayed_at'),
  },
  (table) => [
    uniqueIndex('credentials_grant_id').on(table.grantId, table.purpose),
    index('credentials_presented').on(table.id).where(sql`presented_at IS NOT NULL`),
    index('credentials_relayed').on(table.relayedAt).where(sql`relayed_at IS NOT NULL`),
    index('credentials_shared').on(table.usedAt).where(sql`grant_id IS NULL`),
  ],
)

/** Sessions that MCP servers opened, by hash of route and session id. */
export const sessions = sqliteTable(
  'sessions',
  {
    hash: text('hash').primaryKey().notNull(),
    /** No reference: grants of other authorization servers have no row. */
    grantId: text('grant_id').notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [
    index('sessions_grant_id').on(table.grantId, table.expiresAt),
    index('sessions_expires_at').on(table.expiresAt),
  ],
)

/** Clients that the gateway has registered at providers, one for each MCP client there, sealed. */
export const upstreamClients = sqliteTable(
  'upstream_clients',
  {
    provider: text('provider').notNull(),
    clientId: text('client_id').notNull(),
    version: integer('version').notNull(),
    sealed: text('sealed').notNull(),
    usedAt: integer('used_at').notNull(),
  },
  (table) => [
    uniqueIndex('upstream_clients_owner').on(table.provider, table.clientId),
    index('upstream_clients_client_id').on(table.clientId),
    index('upstream_clients_used_at').on(table.usedAt),
  ],
)

/** What may be presented once. */
export const consumed = sqliteTable(
  'consumed',
  {
    key: text('key').primaryKey().notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [index('consumed_expires_at').on(table.expiresAt)],
)

/** Values that are written once and never change. */
export const remembered = sqliteTable('remembered', {
  name: text('name').primaryKey().notNull(),
  value: text('value').notNull(),
})

function strings(name: string) {
  return text(name, { mode: 'json' }).$type<readonly string[]>().notNull()
}

function grantId() {
  return text('grant_id')
    .notNull()
    .references(() => grants.id, { onDelete: 'cascade' })
}
