import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A package of which something is in the bundle.
 *
 * @typedef {{ root: string, name: string, version: string, license: string, author: string | undefined }} BundledPackage
 */

/**
 * The packages that these files belong to, by name. Throws for one that does not say under which licence it is.
 *
 * @param {readonly string[]} files
 * @returns {BundledPackage[]}
 */
export function packagesOf(files) {
  const roots = new Set(files.flatMap((file) => rootOf(file) ?? []))
  return [...roots].map(read).sort((one, other) => (one.name < other.name ? -1 : 1))
}

/**
 * @param {string} file
 * @returns {string | undefined}
 */
function rootOf(file) {
  return /^[^\0]*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0]
}

/**
 * @param {string} root
 * @returns {BundledPackage}
 */
function read(root) {
  const { name, version, license, author } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  if (typeof license !== 'string') throw new Error(`${name} does not say under which licence it is`)
  return { root, name, version, license, author: typeof author === 'object' ? author?.name : author }
}
