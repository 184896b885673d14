import { connectSdkV1 } from '../fixtures/sdk-clients.ts'
import { describeWholeWay } from './whole-way.ts'

describeWholeWay('the client of @modelcontextprotocol/sdk 1.x (2025-11-25, sessions)', {
  connect: connectSdkV1,
  connectToEverything: connectSdkV1,
  protocolVersion: '2025-11-25',
  losesParallelCalls: true,
})
