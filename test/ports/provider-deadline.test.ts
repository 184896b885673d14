import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { deadlineIn } from '../../src/providers/deadline.ts'
import { fetchWhole } from '../../src/providers/provider-http.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const LIMIT_MS = 200

/** As a whole process does after SIGSTOP: nothing runs, and clocks go on. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

describe('the time that a provider has for its answer', () => {
  let server: PlainServer
  afterEach(() => server.close())

  async function ask(answer: (response: ServerResponse) => void): Promise<string> {
    server = await startPlainServer((_, response) => answer(response))
    const response = await fetchWhole(fetch, server.url, { method: 'POST', headers: {} } as never, deadlineIn(LIMIT_MS))
    return response.text()
  }

  it('is no reason to lose what has arrived while the process stood still (C09)', async () => {
    const answer = ask((response) => void response.end('a successor', () => standStill(LIMIT_MS * 5)))
    expect(await answer).toBe('a successor')
  })

  it('is over all the same where nothing has arrived, however long the process stood still (C09, C25)', async () => {
    const answer = ask(() => standStill(LIMIT_MS * 5))
    await expect(answer).rejects.toMatchObject({ reason: 'timeout' })
  })

  it('is over in time where the process never stood still (C25)', async () => {
    const deadline = deadlineIn(LIMIT_MS)
    await once(deadline, 'abort')
    await expect(ask(() => {})).rejects.toMatchObject({ reason: 'timeout' })
  })
})
