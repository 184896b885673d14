/** An identifier of the SPDX list; anything else is an expression. */
const SINGLE_LICENCE = /^[\w.+-]+$/

/**
 * What `program` is made of, for scanners that look for known vulnerabilities: in a bundle they find no packages. CycloneDX
 * 1.6 as JSON, the same for the same packages.
 *
 * @param {{ readonly name: string, readonly version: string, readonly license: string }} program
 * @param {readonly import('./bundled-packages.mjs').BundledPackage[]} packages
 * @returns {string}
 */
export function billOfMaterials(program, packages) {
  const bill = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: componentOf('application', program) },
    components: packages.map((bundled) => componentOf('library', bundled)),
  }
  return `${JSON.stringify(bill, null, 2)}\n`
}

/**
 * @param {'application' | 'library'} type
 * @param {{ readonly name: string, readonly version: string, readonly license: string }} of
 */
function componentOf(type, { name, version, license }) {
  // The @ of a scope is encoded, the slash behind it is not (purl specification).
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
  const licence = SINGLE_LICENCE.test(license) ? { license: { id: license } } : { expression: license }
  return { type, 'bom-ref': purl, name, version, purl, licenses: [licence] }
}
