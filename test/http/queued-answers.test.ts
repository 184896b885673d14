import { once } from 'node:events'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { closeWithConnection } from '../../src/http/queued-answers.ts'

it('an answer that waits for its turn closes with its connection, once; one that had its turn does not (P-65)', async () => {
  const socket = new Socket()
  const [waiting, begun] = [
    new ServerResponse(new IncomingMessage(socket)),
    new ServerResponse(new IncomingMessage(socket)),
  ]
  const closed: string[] = []
  waiting.on('close', () => closed.push('waiting'))
  begun.on('close', () => closed.push('begun'))
  closeWithConnection(waiting)
  closeWithConnection(begun)
  begun.assignSocket(socket)
  socket.destroy()
  await once(socket, 'close')
  expect(closed.toSorted()).toEqual(['begun', 'waiting'])
  expect(waiting.destroyed).toBe(true)
})
