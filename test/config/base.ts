import type { ConfigProblem, GatewayConfig } from '../../src/config/gateway-config.ts'
import { loadConfig } from '../../src/config/load.ts'

export const KEY = 'mgh_key_CXOORkX1fN14Tk2iZTJFrTrUPcmeV_IOu6RRfCeBp1k'
export const HASH = `scrypt$ln=17,r=8,p=1$${'c2FsdHNhbHRzYWx0c2FsdA'}$${'aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g'}`

/** The positive twin of every refusal: a file without problems. */
export const BASE = `public_url: https://mcp.example.com
listen: 127.0.0.1:8080
operations:
  listen: 127.0.0.1:9090
trusted_proxies: [10.0.0.0/8]
allowed_origins: [https://app.example.com]
database: sqlite:data/gatehouse.db
encryption_keys:
  - ${KEY}
providers:
  corp:
    type: oidc
    issuer: https://login.example.com/realms/main
    client_id: gatehouse
    client_secret: corp-client-secret
    scopes: [openid, email]
  home:
    type: password
    users:
      alice: "${HASH}"
routes:
  /github:
    upstream: http://127.0.0.1:8082/mcp
    sign_in: corp
    allow:
      email_domains: [example.com]
    credential:
      kind: static
      value: shared-pat
    inject:
      X-Api-Key: "{credential}"
  /wiki:
    upstream: https://wiki.example.com/mcp
    sign_in: corp
    credential:
      kind: provider-token
      provider: corp
  /notes:
    upstream: http://127.0.0.1:8083/mcp
    sign_in: home
    credential: { kind: none }
    inject:
      X-User: "{user.sub}"
clients:
  registration: open
  static:
    - client_id: inspector
      redirect_uris: ["http://localhost:6274/oauth/callback"]
      token_endpoint_auth_method: client_secret_basic
      client_secret: inspector-secret-of-32-characters
tokens:
  access_ttl: 1h
  refresh_idle_ttl: 30d
  refresh_ttl: 180d
  refresh_grace: 60s
consent:
  remember: never
`

/** {@link BASE} with each `[from, to]` replaced; throws when `from` does not occur, so that no case tests nothing. */
export function edit(...changes: readonly (readonly [from: string, to: string])[]): string {
  return changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the base configuration does not hold ${from}`)
    return text.replace(from, () => to)
  }, BASE)
}

/** Loads `text`; `files` are what `${file:…}` can read. */
export function load(text: string, env: NodeJS.ProcessEnv = {}, files: Readonly<Record<string, string>> = {}) {
  const readFile = (path: string) => {
    const content = files[path]
    if (content === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' })
    return content
  }
  return loadConfig({ text, file: 'gateway.yaml', env, readFile })
}

/** The configuration in `text`; throws with the problems when there are any. */
export function configOf(
  text: string,
  env?: NodeJS.ProcessEnv,
  files?: Readonly<Record<string, string>>,
): GatewayConfig {
  const loaded = load(text, env, files)
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
  return loaded.config
}

/** The problems of `text`; throws when there are none. */
export function problemsOf(text: string, env?: NodeJS.ProcessEnv): ConfigProblem[] {
  const loaded = load(text, env)
  if (loaded.ok) throw new Error('this configuration has no problem')
  return loaded.problems
}

/** The only problem of `text`; throws when there are more or none. */
export function problemOf(text: string, env?: NodeJS.ProcessEnv): ConfigProblem {
  const [only, ...more] = problemsOf(text, env)
  if (!only || more.length > 0) throw new Error(`more than one problem: ${JSON.stringify([only, ...more])}`)
  return only
}
