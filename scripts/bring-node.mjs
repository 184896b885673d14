// npm's `prepare` in a checkout: where the running Node is too old for the stack, fetches a newer one into .node/.
// It never fails `npm ci`; the launcher refuses later, in one line, if no Node was found. Parses on Node 18.
import { spawnSync } from 'node:child_process'
import { executableOf, findBroughtNode, markReady, NODE_DIRECTORY, writeManifest } from './brought-node.mjs'
import { isNewEnough, nodePackageFor } from './node-choice.mjs'

if (!isNewEnough(process.version)) bringNode()

function bringNode() {
  const { platform, arch, version } = process
  const wanted = nodePackageFor({ platform, arch, musl: platform === 'linux' && usesMusl() })
  if (!wanted) {
    say(`Node ${version} is too old, and there is no newer one to fetch for ${platform} ${arch}: install Node 26.`)
    return
  }
  if (findBroughtNode()?.version === wanted.version) return
  say(
    `Node ${version} is too old for Gatehouse: fetching Node ${wanted.version} into .node/ (npm package ${wanted.name}).`,
  )
  writeManifest(NODE_DIRECTORY, wanted)
  if (!npmCleanInstall(NODE_DIRECTORY)) {
    say(`Node ${wanted.version} could not be fetched; "npm run prepare" tries again.`)
    return
  }
  const trial = spawnSync(executableOf(NODE_DIRECTORY, wanted), ['--version'], { encoding: 'utf8' })
  if (trial.stdout?.trim() !== `v${wanted.version}`) {
    say(`Node ${wanted.version} was fetched but does not run on this machine: install Node 26.`)
    return
  }
  markReady(NODE_DIRECTORY, wanted)
}

/** @param {string} directory */
function npmCleanInstall(directory) {
  const flags = ['ci', '--prefix', '.', '--ignore-scripts', '--no-audit', '--no-fund', '--no-global', '--no-dry-run']
  const npm = process.env.npm_execpath
  /** @type {import('node:child_process').SpawnSyncOptions} */
  const options = { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] }
  const run = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...flags], options)
    : // npm is a batch file on Windows, which only a shell can start; none of the flags comes from outside.
      spawnSync('npm', flags, { ...options, shell: process.platform === 'win32' })
  return run.status === 0
}

function usesMusl() {
  const report = /** @type {{ excludeNetwork?: boolean, getReport(): object }} */ (process.report)
  // Without this the report looks up the names of all peers.
  report.excludeNetwork = true
  const { header } = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (report.getReport())
  return header.glibcVersionRuntime === undefined
}

/** @param {string} line */
function say(line) {
  process.stderr.write(`${line}\n`)
}
