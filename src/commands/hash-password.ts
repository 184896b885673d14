import { hashPassword, MAX_PASSWORD_LENGTH } from '../domain/password-hash.ts'
import { readFirstLine, readHidden } from './terminal.ts'

/** `gatehouse hash-password`: asks twice in a terminal, else reads one line of stdin. Resolves to the exit code. */
export async function hashPasswordCommand(): Promise<number> {
  const password = process.stdin.isTTY ? await askTwice() : await readFirstLine(process.stdin)
  if (password === undefined) return refuse('the passwords differ; nothing was hashed')
  if (password === '') return refuse('the password is empty')
  if (password.length > MAX_PASSWORD_LENGTH)
    return refuse(`a password may have ${MAX_PASSWORD_LENGTH} characters at most`)
  process.stdout.write(`${await hashPassword(password)}\n`)
  return 0
}

async function askTwice(): Promise<string | undefined> {
  const password = await readHidden('Password: ')
  return password === '' || (await readHidden('Once more: ')) === password ? password : undefined
}

function refuse(problem: string): number {
  process.stderr.write(`gatehouse: ${problem}\n`)
  return 1
}
