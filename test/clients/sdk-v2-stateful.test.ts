import { connectSdkV2 } from '../fixtures/sdk-clients.ts'
import { describeWholeWay } from './whole-way.ts'

describeWholeWay('the client of @modelcontextprotocol/client 2.x on the wire of 2025-11-25 with sessions', {
  connect: connectSdkV2('legacy'),
  connectToEverything: connectSdkV2('legacy'),
  protocolVersion: '2025-11-25',
})
