// Compiles src/ into dist/, which is what the package and the container carry.
import { spawnSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

// A file that was renamed in src/ must not live on in the package.
rmSync(`${root}dist`, { recursive: true, force: true })
const launcher = `${root}scripts/with-node.mjs`
const compiler = spawnSync(process.execPath, [launcher, 'tsc', '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})
if (compiler.status === 0) chmodSync(`${root}dist/cli.js`, 0o755)
process.exitCode = compiler.status ?? 1
