import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hashPassword } from '../../src/domain/password-hash.ts'
import { type Child, freePort, startChild } from './child.ts'
import { obtainToken } from './obtain-token.ts'

/** This gateway, as `gatehouse serve` starts it, and an access token that somebody signed in for. */
export async function startGateway(
  directory: string,
  upstreamPort: number,
  core: number | undefined,
): Promise<{ readonly child: Child; readonly token: string }> {
  const port = await freePort()
  const issuer = `http://127.0.0.1:${port}`
  const password = randomBytes(12).toString('base64url')
  const file = join(directory, 'gateway.yaml')
  writeFileSync(
    file,
    `
public_url: ${issuer}
listen: 127.0.0.1:${port}
operations: { listen: 127.0.0.1:${await freePort()} }
database: sqlite:${directory}/gatehouse.db
encryption_keys: [${randomBytes(32).toString('base64url')}]
providers:
  home: { type: password, users: { bench: "${await hashPassword(password)}" } }
routes:
  /bench:
    upstream: http://127.0.0.1:${upstreamPort}/mcp
    sign_in: home
    credential: { kind: static, value: upstream-credential }
`,
    { mode: 0o600 },
  )
  const cli = new URL('../../src/cli.ts', import.meta.url).pathname
  const child = await startChild([process.execPath, cli, 'serve', '--config', file], { core, port })
  const token = await obtainToken({ issuer, resource: `${issuer}/bench`, username: 'bench', password })
  return { child, token }
}
