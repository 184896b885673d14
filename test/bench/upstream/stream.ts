import { type Child, startNode } from '../child.ts'

/** The MCP server behind bodies and streams. */
export function startStreamUpstream(_directory: string, core: number | undefined): Promise<Child> {
  return startNode(new URL('stream-process.ts', import.meta.url), [], core)
}
