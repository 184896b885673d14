import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from '../../scripts/bundle.mjs'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** What the Dockerfile puts into /app, apart from dependencies. */
const COPIED = ['package.json', 'LICENSE', 'config', 'migrations']

/** The application as the container has it: built into `directory`, beside links to the dependencies that stay. */
export async function buildApp(directory: string): Promise<{ readonly cli: string; readonly megabytes: number }> {
  const dist = join(directory, 'dist')
  await bundle(dist)
  for (const name of COPIED) cpSync(join(ROOT, name), join(directory, name), { recursive: true })
  const own = bytesIn(directory)
  const dependencies = keptDependencies()
  for (const path of dependencies) {
    mkdirSync(join(directory, dirname(path)), { recursive: true })
    symlinkSync(join(ROOT, path), join(directory, path))
  }
  const bytes = dependencies.reduce((sum, path) => sum + bytesIn(join(ROOT, path)), own)
  return { cli: join(dist, 'cli.js'), megabytes: bytes / 1_000_000 }
}

/** The options for Node with which the container starts the gateway. */
export function nodeOptions(): string[] {
  const entryPoint = /^ENTRYPOINT (\[.*\])$/m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'))?.[1]
  const [, ...rest] = JSON.parse(entryPoint ?? '[]') as string[]
  return rest.filter((argument) => argument.startsWith('--'))
}

/** Node itself, which the base image brings. */
export function nodeMegabytes(): number {
  return statSync(process.execPath).size / 1_000_000
}

/** What stays after `npm prune --omit=dev`: every installed package that the lock file does not call one for development. */
function keptDependencies(): string[] {
  const lock: { packages: Record<string, { dev?: boolean }> } = JSON.parse(
    readFileSync(join(ROOT, 'package-lock.json'), 'utf8'),
  )
  return Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== '' && !dev && existsSync(join(ROOT, path)))
    .map(([path]) => path)
}

/** Bytes of all files below, without packages that are nested there: each of those is counted by itself. */
function bytesIn(path: string): number {
  const stats = lstatSync(path)
  if (!stats.isDirectory()) return stats.size
  return readdirSync(path)
    .filter((name) => name !== 'node_modules')
    .reduce((sum, name) => sum + bytesIn(join(path, name)), 0)
}
