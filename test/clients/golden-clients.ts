import { chatGpt } from './golden/chatgpt.ts'
import { claude } from './golden/claude.ts'
import { claudeCode } from './golden/claude-code.ts'
import { codex } from './golden/codex.ts'
import { cursor } from './golden/cursor.ts'
import { inspectorCli, inspectorWeb } from './golden/inspector.ts'
import { mcpRemote } from './golden/mcp-remote.ts'
import { openCode } from './golden/opencode.ts'
import { vsCode } from './golden/vs-code.ts'
import { zed } from './golden/zed.ts'
import type { GoldenClient } from './golden-client.ts'

/** Every client that is replayed, in the order of the documentation. */
export const GOLDEN_CLIENTS: readonly GoldenClient[] = [
  claude,
  claudeCode,
  chatGpt,
  codex,
  cursor,
  vsCode,
  inspectorWeb,
  inspectorCli,
  mcpRemote,
  zed,
  openCode,
]
