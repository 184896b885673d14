import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { readHidden } from '../../src/commands/terminal.ts'

async function type(keys: string) {
  const [input, output] = [new PassThrough(), new PassThrough()]
  const answers = readHidden(['Password: ', 'Once more: '], { input, output })
  input.write(keys)
  const given = await answers
  return { answers: given, shown: await text(output.end()) }
}

it('reads two lines, typed or pasted at once, and shows neither', async () => {
  expect(await type('hunter2\rhunter3\r')).toEqual({
    answers: ['hunter2', 'hunter3'],
    shown: 'Password: \nOnce more: \n',
  })
})

it('lets people correct themselves with backspace', async () => {
  expect((await type('hunx\x7fter2\rhunter2\r')).answers).toEqual(['hunter2', 'hunter2'])
})

it('ends on Ctrl-C without an answer, and on Ctrl-D with empty ones', async () => {
  expect((await type('hunter2\x03')).answers).toBeUndefined()
  expect((await type('\x04')).answers).toEqual(['', ''])
})
