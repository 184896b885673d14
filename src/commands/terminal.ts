import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'

/** The two sides of a terminal, which a test can play. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WritableStream
}

/**
 * Asks each question and reads one line for it without showing it. Ctrl-D leaves the remaining answers empty; Ctrl-C
 * resolves to undefined.
 */
export function readHidden(questions: readonly string[], { input, output }: Terminal): Promise<string[] | undefined> {
  // readline edits the line (backspace, paste, arrow keys) and writes it, here, to nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input, output: nowhere, terminal: true, historySize: 0 })
  const answers: string[] = []
  const ask = () => output.write(questions[answers.length] ?? '')
  ask()
  return new Promise((resolve) => {
    lines.on('line', (line) => {
      if (answers.length === questions.length) return
      output.write('\n')
      answers.push(line)
      if (answers.length === questions.length) lines.close()
      else ask()
    })
    lines.on('SIGINT', () => {
      output.write('\n')
      resolve(undefined)
      lines.close()
    })
    lines.on('close', () => resolve(questions.map((_, index) => answers[index] ?? '')))
  })
}

/** The first line of `input`, without its line break; empty when there is none. */
export async function readFirstLine(input: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) return line
  return ''
}
