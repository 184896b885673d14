/** A tools/call of 300 bytes, what every case is asked. */
export const CALL = padded(300, (text) => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'search', arguments: { text } },
}))

/** Its result of 500 bytes, what the MCP server answers. */
export const RESULT = padded(500, (text) => ({
  jsonrpc: '2.0',
  id: 1,
  result: { content: [{ type: 'text', text }], isError: false },
}))

function padded(bytes: number, message: (text: string) => unknown): string {
  const empty = JSON.stringify(message('')).length
  return JSON.stringify(message('x'.repeat(bytes - empty)))
}
