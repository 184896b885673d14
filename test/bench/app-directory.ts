import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, lstatSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** What the Dockerfile puts into /app, apart from dependencies. */
const COPIED = ['package.json', 'LICENSE', 'config', 'migrations']

/** The application as the container has it: compiled into `directory`, beside a link to the dependencies. */
export function buildApp(directory: string): { readonly cli: string; readonly megabytes: number } {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  const dist = join(directory, 'dist')
  execFileSync(process.execPath, [compiler, '-p', join(ROOT, 'tsconfig.build.json'), '--outDir', dist], {
    stdio: 'inherit',
  })
  for (const name of COPIED) cpSync(join(ROOT, name), join(directory, name), { recursive: true })
  const own = bytesIn(directory)
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
  return { cli: join(dist, 'cli.js'), megabytes: (own + dependencyBytes()) / 1_000_000 }
}

/** Node itself, which the base image brings. */
export function nodeMegabytes(): number {
  return statSync(process.execPath).size / 1_000_000
}

/** What stays after `npm prune --omit=dev`: every installed package that the lock file does not call one for development. */
function dependencyBytes(): number {
  const lock: { packages: Record<string, { dev?: boolean }> } = JSON.parse(
    readFileSync(join(ROOT, 'package-lock.json'), 'utf8'),
  )
  return Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== '' && !dev && existsSync(join(ROOT, path)))
    .reduce((sum, [path]) => sum + bytesIn(join(ROOT, path)), 0)
}

/** Bytes of all files below, without packages that are nested there: each of those is counted by itself. */
function bytesIn(path: string): number {
  const stats = lstatSync(path)
  if (!stats.isDirectory()) return stats.size
  return readdirSync(path)
    .filter((name) => name !== 'node_modules')
    .reduce((sum, name) => sum + bytesIn(join(path, name)), 0)
}
