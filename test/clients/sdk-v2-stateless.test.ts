import { connectSdkV2 } from '../fixtures/sdk-clients.ts'
import { describeWholeWay } from './whole-way.ts'

describeWholeWay('the client of @modelcontextprotocol/client 2.x on the wire of 2026-07-28 without sessions', {
  connect: connectSdkV2({ pin: '2026-07-28' }),
  // It finds out by itself that this server is older (MCP 2026-07-28, backward compatibility).
  connectToEverything: connectSdkV2('auto'),
  protocolVersion: '2026-07-28',
})
