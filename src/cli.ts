#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

/** Runs and resolves to the exit code: 0 fine, 1 configuration or usage, 2 cannot start. */
type Command = (options: { readonly config: string }) => Promise<number>

const USAGE = `Usage: gatehouse <command> [--config FILE]

  serve           run the gateway
  demo            run it with no configuration at all, in front of a bundled MCP server
  check-config    validate the configuration and print every problem; no network
  migrate         apply database migrations (serve does it too)
  new-key         print a fresh encryption key
  hash-password   read a password, print its hash for a password provider

  --config FILE   for serve, check-config and migrate; default: gateway.yaml
  -h, --help      print this
  --version       print the version

Exit codes: 0 fine, 1 configuration or usage, 2 cannot start (port, database).
The environment variable LOG_LEVEL is one of trace, debug, info (the default), warn, error, fatal, silent.
`

// Each command loads what it needs: check-config and new-key must not wait for the server.
const COMMANDS: Readonly<Record<string, Command>> = {
  serve: async ({ config }) => (await import('./commands/serve.ts')).serve(config),
  demo: async () => (await import('./commands/demo.ts')).demo(),
  'check-config': async ({ config }) => (await import('./commands/check-config.ts')).checkConfig(config),
  migrate: async ({ config }) => (await import('./commands/migrate.ts')).migrate(config),
  'new-key': async () => (await import('./commands/new-key.ts')).newKey(),
  'hash-password': async () => (await import('./commands/hash-password.ts')).hashPasswordCommand(),
}
const WITH_CONFIG = ['serve', 'check-config', 'migrate']

// Older ones fail somewhere inside a dependency, in words that help nobody.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`gatehouse: Node ${process.versions.node} is too old; install Node 22.19 or newer\n`)
  process.exit(1)
}
process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options: { config: { type: 'string' }, help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } },
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  const [name, ...more] = positionals
  const unknown = tokens.find((token) => token.kind === 'option' && !['config', 'help', 'version'].includes(token.name))
  if (unknown?.kind === 'option') return misuse(`there is no option ${unknown.rawName}`)
  if (values.help === true) return print(USAGE)
  if (values.version === true) return print(`${readVersion()}\n`)
  if (name === undefined) return misuse('a command is missing')
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (!command) return misuse('there is no such command')
  // Whatever else was written may be a password: it is not repeated.
  if (more.length > 0) return misuse(`${name} takes no arguments`)
  if (values.config !== undefined && !WITH_CONFIG.includes(name)) return misuse(`${name} takes no --config`)
  if (values.config === true || values.config === '') return misuse('--config needs a file')
  return command({ config: String(values.config ?? 'gateway.yaml') })
}

function misuse(problem: string): number {
  process.stderr.write(`gatehouse: ${problem}\n\n${USAGE}`)
  return 1
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown'
}
