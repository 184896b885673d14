import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { createBrowser, type Page } from '../fixtures/browser.ts'
import { closeServer } from '../fixtures/loopback-server.ts'
import type { Person } from '../fixtures/walk.ts'

/** A program that other programs start to open a browser; the test's own browser answers it. */
export interface FakeBrowser {
  /** `PATH` and `BROWSER` for programs that shall find it. */
  readonly env: Readonly<Record<string, string>>
  /** Authorization URLs that it was started with, in order. */
  readonly opened: readonly URL[]
  /** The last page of each visit, which the client itself serves. */
  readonly ends: readonly Page[]
  close(): Promise<void>
}

/**
 * Puts an `xdg-open` on the PATH. Whatever URL it is started with is opened by a browser in this process, where `person`
 * approves and signs in, and which follows the redirect to the client on loopback.
 */
export async function startFakeBrowser(person: Person): Promise<FakeBrowser> {
  const opened: URL[] = []
  const ends: Page[] = []
  const ticket = `/${randomUUID()}`
  const server = createServer(async (request, response) => {
    if (request.url !== ticket) return void response.writeHead(404).end()
    const url = new URL(await text(request))
    response.end()
    opened.push(url)
    const browser = createBrowser()
    let page = await browser.get(url)
    page = await browser.submit(page.form(), { decision: 'approve' })
    ends.push(await browser.submit(page.form(), { ...person }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const directory = mkdtempSync(join(tmpdir(), 'gatehouse-browser-'))
  const program = join(directory, 'xdg-open')
  const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}${ticket}`
  writeFileSync(
    program,
    `#!${process.execPath}\nfetch(${JSON.stringify(target)}, { method: 'POST', body: process.argv[2] })\n`,
  )
  chmodSync(program, 0o755)
  return {
    env: { PATH: `${directory}:${process.env.PATH}`, BROWSER: program },
    opened,
    ends,
    async close() {
      await closeServer(server)
      rmSync(directory, { recursive: true })
    },
  }
}
