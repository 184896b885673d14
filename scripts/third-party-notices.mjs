import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const LICENCE_FILE = /^(?:licen[cs]e|copying|notice)(?:[.-].*)?$/i

/**
 * Names, versions and licences of these packages, as their licences want them to be kept.
 *
 * @param {readonly import('./bundled-packages.mjs').BundledPackage[]} packages
 * @returns {string}
 */
export function noticesOf(packages) {
  return packages.map(noticeOf).join(`\n${'-'.repeat(80)}\n\n`)
}

/** @param {import('./bundled-packages.mjs').BundledPackage} bundled */
function noticeOf({ root, name, version, license, author }) {
  const texts = readdirSync(root)
    .filter((file) => LICENCE_FILE.test(file))
    .map((file) => readFileSync(join(root, file), 'utf8').trim())
  return `${name} ${version} (${license})\n\n${texts.join('\n\n') || `Without a text of its own; by ${author}.`}\n`
}
