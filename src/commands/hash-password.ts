import { hashPassword, MAX_PASSWORD_LENGTH } from '../domain/password-hash.ts'
import { readFirstLine, readHidden } from './terminal.ts'

/** `gatehouse hash-password`: asks twice in a terminal, else reads one line of stdin. Resolves to the exit code. */
export async function hashPasswordCommand(): Promise<number> {
  const answers = process.stdin.isTTY ? await askTwice() : [await readFirstLine(process.stdin)]
  if (!answers) return 1
  const [password = '', again = password] = answers
  if (password !== again) return refuse('the passwords differ; nothing was hashed')
  if (password === '') return refuse('the password is empty')
  if (password.length > MAX_PASSWORD_LENGTH)
    return refuse(`a password may have ${MAX_PASSWORD_LENGTH} characters at most`)
  process.stdout.write(`${await hashPassword(password)}\n`)
  return 0
}

function askTwice(): Promise<string[] | undefined> {
  return readHidden(['Password: ', 'Once more: '], { input: process.stdin, output: process.stderr })
}

function refuse(problem: string): number {
  process.stderr.write(`gatehouse: ${problem}\n`)
  return 1
}
