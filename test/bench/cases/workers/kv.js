const values = /** @type {Map<string, string>} */ (new Map())

/** A KV namespace in memory, as workerd asks for it over HTTP: quicker than any that is stored. */
export default {
  /** @param {Request} request */
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url)
    const key = decodeURIComponent(pathname.slice(1))
    if (request.method === 'PUT') values.set(key, await request.text())
    if (request.method === 'DELETE') values.delete(key)
    if (request.method !== 'GET') return new Response()
    if (key === '') return list(searchParams.get('prefix') ?? '')
    const value = values.get(key)
    return value === undefined ? new Response(null, { status: 404 }) : new Response(value)
  },
}

/** @param {string} prefix */
function list(prefix) {
  const names = [...values.keys()].filter((name) => name.startsWith(prefix))
  return Response.json({ keys: names.map((name) => ({ name })), list_complete: true })
}
