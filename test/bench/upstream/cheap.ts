import type { Child } from '../child.ts'
import { RESULT } from '../mcp-messages.ts'
import { startNginx } from '../nginx-process.ts'
import { startStreamUpstream } from './stream.ts'

/**
 * The MCP server behind the calls: answers each at once with 500 bytes. nginx where there is one, because it costs a
 * third of a server on Node, and shares its core with the load generator.
 */
export async function startCheapUpstream(directory: string, core: number | undefined): Promise<Child> {
  return (await startNginx(directory, 'upstream', configuration, core)) ?? startStreamUpstream(directory, core)
}

function configuration(port: number): string {
  return `
  server {
    listen 127.0.0.1:${port} backlog=8192;
    location = /mcp {
      default_type application/json;
      return 200 '${RESULT}';
    }
  }`
}
