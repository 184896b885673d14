import { randomBytes, randomInt } from 'node:crypto'
import { join, resolve } from 'node:path'
import { type Logger, pino } from 'pino'
import pretty from 'pino-pretty'
import { closeOnSignal } from '../commands/shutdown.ts'
import { newEncryptionKey } from '../domain/encryption-key.ts'
import { hashPassword } from '../domain/password-hash.ts'
import { Secret } from '../domain/secret.ts'
import { startGateway } from '../server.ts'
import { demoConfig } from './demo-config.ts'
import { startDemoMcpServer } from './mcp-server.ts'
import { DemoRefused } from './refused.ts'
import { keptSecret } from './secret-file.ts'
import { welcome } from './welcome.ts'

const DEFAULT_PORT = 8080
/** No look-alikes: it is read from one screen and typed on another. */
const PASSWORD_ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789'
const PASSWORD_GROUPS = 3
const PASSWORD_GROUP_LENGTH = 4

/** A demo that is running. */
export interface RunningDemo {
  /** The MCP URL to give to a client. */
  readonly url: string
  readonly password: Secret
  /** What `whoami` reports when the MCP server saw its own token. */
  readonly fingerprint: string
  /** Where the MCP server itself listens. */
  readonly upstream: string
  close(): Promise<void>
}

/**
 * Runs the demo until Ctrl-C or SIGTERM; resolves once everything is closed. `port` defaults to the environment's PORT,
 * then 8080. Rejects with DemoRefused (or the store's refusal), whose message is for the person at the terminal.
 */
export async function runDemo(options: { readonly port?: number } = {}): Promise<void> {
  const directory = resolve('data')
  const logger = pino({ level: 'warn' }, pretty({ colorize: process.stderr.isTTY, destination: 2, sync: true }))
  const demo = await startDemo({ port: options.port ?? portFrom(process.env.PORT), directory, logger })
  process.stdout.write(welcome({ ...demo, directory }, process.stdout.isTTY))
  await closeOnSignal(() => demo.close())
}

/** Starts the demo MCP server and the gateway in front of it, with everything it keeps in `directory`. */
export async function startDemo(options: {
  readonly port: number
  readonly directory: string
  readonly logger: Logger
}): Promise<RunningDemo> {
  const { port, directory, logger } = options
  const encryptionKey = await keptSecret(join(directory, 'demo.key'), newEncryptionKey)
  const personalAccessToken = await keptSecret(join(directory, 'demo.pat'), newPersonalAccessToken)
  const password = newPassword()
  const passwordHash = new Secret(await hashPassword(password.reveal()))
  const server = await startDemoMcpServer({ personalAccessToken })
  const upstream = new URL(server.url)
  const databaseFile = join(directory, 'demo.db')
  const config = demoConfig({ port, upstream, personalAccessToken, encryptionKey, databaseFile, passwordHash })
  try {
    const gateway = await startGateway(config, { logger })
    return {
      url: `${config.publicUrl}/mcp`,
      password,
      fingerprint: server.fingerprint,
      upstream: server.url,
      async close() {
        await gateway.close()
        await server.close()
      },
    }
  } catch (error) {
    await server.close()
    throw explain(error, port)
  }
}

function explain(error: unknown, port: number): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') return error
  return new DemoRefused(
    `Port ${port} is taken by another program. Choose another one: PORT=${port + 1} gatehouse demo (in a checkout: PORT=${port + 1} npm start).`,
  )
}

function portFrom(text: string | undefined): number {
  if (text === undefined || text === '') return DEFAULT_PORT
  const port = Number(text)
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new DemoRefused('PORT must be a number from 1 to 65535.')
  return port
}

function newPersonalAccessToken(): Secret {
  return new Secret(`demo_pat_${randomBytes(24).toString('base64url')}`)
}

function newPassword(): Secret {
  const letter = () => PASSWORD_ALPHABET[randomInt(PASSWORD_ALPHABET.length)] ?? ''
  const group = () => Array.from({ length: PASSWORD_GROUP_LENGTH }, letter).join('')
  return new Secret(Array.from({ length: PASSWORD_GROUPS }, group).join('-'))
}
