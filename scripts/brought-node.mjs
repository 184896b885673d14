// The Node that a checkout keeps in .node/ for machines whose own Node is too old. Parses on Node 18.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout's own directory for Node; never part of the published package. */
export const NODE_DIRECTORY = fileURLToPath(new URL('../.node/', import.meta.url))

const READY = 'ready.json'

/**
 * The Node in `directory`, if one was installed there completely.
 * @param {string} [directory]
 * @returns {{ execPath: string, version: string } | undefined}
 */
export function findBroughtNode(directory = NODE_DIRECTORY) {
  try {
    const { executable, version } = JSON.parse(readFileSync(join(directory, READY), 'utf8'))
    const execPath = join(directory, String(executable))
    return existsSync(execPath) ? { execPath, version: String(version) } : undefined
  } catch {
    return undefined
  }
}

/**
 * Writes the manifest and lock file from which npm installs exactly this package; until {@link markReady} nothing in
 * `directory` counts as installed, so that an interrupted installation is repaired by the next one.
 * @param {string} directory
 * @param {import('./node-choice.mjs').NodePackage} wanted
 */
export function writeManifest(directory, wanted) {
  mkdirSync(directory, { recursive: true })
  rmSync(join(directory, READY), { force: true })
  const root = { name: 'brought-node', private: true, dependencies: { [wanted.name]: wanted.version } }
  const lock = {
    name: root.name,
    lockfileVersion: 3,
    requires: true,
    packages: {
      '': { name: root.name, dependencies: root.dependencies },
      [`node_modules/${wanted.name}`]: { version: wanted.version, integrity: wanted.integrity },
    },
  }
  writeFileSync(join(directory, 'package.json'), JSON.stringify(root))
  writeFileSync(join(directory, 'package-lock.json'), JSON.stringify(lock))
}

/**
 * @param {string} directory
 * @param {import('./node-choice.mjs').NodePackage} wanted
 */
export function executableOf(directory, wanted) {
  return join(directory, 'node_modules', wanted.name, wanted.executable)
}

/**
 * Notes that the package is there and runs.
 * @param {string} directory
 * @param {import('./node-choice.mjs').NodePackage} wanted
 */
export function markReady(directory, wanted) {
  const executable = `node_modules/${wanted.name}/${wanted.executable}`
  writeFileSync(join(directory, READY), JSON.stringify({ executable, version: wanted.version }))
}
