import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const LICENCE_FILE = /^(?:licen[cs]e|copying|notice)(?:[.-].*)?$/i

/**
 * The names, versions and licences of the packages that these files belong to, as their licences want them to be kept.
 * Throws for a package without a licence.
 *
 * @param {readonly string[]} files
 * @returns {string}
 */
export function noticesOf(files) {
  const roots = new Set(files.flatMap((file) => packageRoot(file) ?? []))
  return [...roots]
    .map(noticeOf)
    .sort()
    .join(`\n${'-'.repeat(80)}\n\n`)
}

/**
 * @param {string} file
 * @returns {string | undefined}
 */
function packageRoot(file) {
  return /^[^\0]*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0]
}

/** @param {string} root */
function noticeOf(root) {
  const { name, version, license, author } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  if (typeof license !== 'string') throw new Error(`${name} does not say under which licence it is`)
  const texts = readdirSync(root)
    .filter((file) => LICENCE_FILE.test(file))
    .map((file) => readFileSync(join(root, file), 'utf8').trim())
  const holder = typeof author === 'object' ? author?.name : author
  return `${name} ${version} (${license})\n\n${texts.join('\n\n') || `Without a text of its own; by ${holder}.`}\n`
}
