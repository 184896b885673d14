import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'

/** Asks on stderr and reads one line of the terminal without showing it. Ctrl-C ends the process with exit code 1. */
export function readHidden(question: string): Promise<string> {
  process.stderr.write(question)
  // readline edits the line (backspace, paste, arrow keys) and writes it, here, to nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 })
  return new Promise((resolve) => {
    const end = () => {
      process.stderr.write('\n')
      lines.close()
    }
    lines.once('SIGINT', () => {
      end()
      process.exit(1)
    })
    lines.once('line', (line) => {
      end()
      resolve(line)
    })
    lines.once('close', () => resolve(''))
  })
}

/** The first line of `input`, without its line break; empty when there is none. Reads no further. */
export async function readFirstLine(input: NodeJS.ReadStream): Promise<string> {
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) return line
  return ''
}
