import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

/** Loaded with `--import`: ends the process with SIGKILL when it reads the file of the name in `KILL_AT_READ`. */
const { readFileSync } = fs
const name = process.env.KILL_AT_READ ?? 'nothing'

fs.readFileSync = ((file: fs.PathOrFileDescriptor, ...more: []) => {
  if (String(file).endsWith(name)) process.kill(process.pid, 'SIGKILL')
  return readFileSync(file, ...more)
}) as typeof readFileSync
syncBuiltinESMExports()
