// Runs a file or an installed tool with a Node that is new enough, and makes it the `node` of everything it starts:
//   node scripts/with-node.mjs src/cli.ts demo
//   node scripts/with-node.mjs --watch src/cli.ts serve
//   node scripts/with-node.mjs vitest run
// Standard streams, exit code and signals are those of the program. Parses on Node 18.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findBroughtNode } from './brought-node.mjs'
import { chooseNode, readCommand } from './node-choice.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
/** @type {readonly NodeJS.Signals[]} */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']
const PARENT_CHECK_MS = 200

const command = readCommand(process.argv.slice(2))
const node = chooseNode(process, findBroughtNode())
if (command === undefined) refuse('with-node needs a file or a tool to run.')
else if ('refusal' in node) refuse(node.refusal)
else if (command.kind === 'file') run(node.execPath, command.nodeArgs)
else {
  const script = findTool(command.tool)
  if (script === undefined) refuse(`${command.tool} is not installed; run "npm ci".`)
  else run(node.execPath, [script, ...command.toolArgs])
}

/**
 * @param {string} execPath
 * @param {readonly string[]} args
 */
function run(execPath, args) {
  // Node 22 calls running TypeScript experimental each time; it is not news.
  const quiet = ['--disable-warning=ExperimentalWarning']
  const child = spawn(execPath, [...quiet, ...args], { stdio: 'inherit', env: environment(execPath) })
  child.on('error', (error) => refuse(`${execPath} could not be started (${error.message}).`))
  child.on('exit', (code, signal) => {
    for (const name of SIGNALS) process.removeAllListeners(name)
    if (signal === null) process.exitCode = code ?? 1
    else dieOf(signal)
  })
  const watch = process.env.npm_lifecycle_event === undefined ? undefined : endWithParent(child)
  for (const name of SIGNALS)
    process.on(name, () => {
      clearInterval(watch)
      if (!reachesWholeGroup(name)) child.kill(name)
    })
}

/**
 * npm passes a signal on to the shell that it runs a script in, and that shell dies without telling anybody: without
 * this, `kill` of npm would leave the program running.
 * @param {import('node:child_process').ChildProcess} child
 */
function endWithParent(child) {
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    child.kill('SIGTERM')
  }, PARENT_CHECK_MS)
  return watch.unref()
}

/**
 * Ctrl-C and hanging up reach every process of a terminal's foreground group; sent on, they would arrive twice, and a
 * second Ctrl-C means "at once". Either way the launcher waits for the program's own farewell.
 * @param {NodeJS.Signals} name
 */
function reachesWholeGroup(name) {
  return name !== 'SIGTERM' && Boolean(process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY)
}

/** @param {NodeJS.Signals} signal */
function dieOf(signal) {
  process.exitCode = 128 + (constants.signals[signal] ?? 0)
  process.kill(process.pid, signal)
}

/**
 * @param {string} execPath
 * @returns {NodeJS.ProcessEnv}
 */
function environment(execPath) {
  const env = { ...process.env, NODE: execPath, npm_node_execpath: execPath }
  // Windows spells it Path.
  const key = Object.keys(env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH'
  return { ...env, [key]: [dirname(execPath), process.env[key]].filter(Boolean).join(delimiter) }
}

/**
 * The script behind a command of one of our own dependencies. Read from the packages, not from node_modules/.bin, where
 * Windows has batch files.
 * @param {string} tool
 * @returns {string | undefined}
 */
function findTool(tool) {
  const own = readManifest(root)
  for (const name of Object.keys({ ...own?.devDependencies, ...own?.dependencies })) {
    const directory = join(root, 'node_modules', name)
    const bin = readManifest(directory)?.bin
    const script = typeof bin === 'string' ? { [name.replace(/^@[^/]*\//, '')]: bin }[tool] : bin?.[tool]
    if (script !== undefined) return join(directory, script)
  }
  return undefined
}

/**
 * @param {string} directory
 * @returns {{ bin?: string | Record<string, string>, dependencies?: Record<string, string>, devDependencies?: Record<string, string> } | undefined}
 */
function readManifest(directory) {
  try {
    return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  } catch {
    return undefined
  }
}

/** @param {string} line */
function refuse(line) {
  process.stderr.write(`${line}\n`)
  process.exitCode = 1
}
