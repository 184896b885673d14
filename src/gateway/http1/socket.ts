import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { giveBack } from './give-back.ts'
import { lookup } from './lookup.ts'

/** Where connections go. */
export interface Origin {
  readonly isTls: boolean
  /** Without brackets. */
  readonly hostname: string
  readonly port: number
  /** What `Host` says (RFC 9112 §3.2): the authority, without a default port. */
  readonly host: string
}

/** Idle before the kernel asks whether a silent server is still there (C34). */
const TCP_KEEP_ALIVE_MS = 60_000
/** Everybody reads into the same memory: what is received is dealt with before the next read. */
const RECEIVED = Buffer.allocUnsafeSlow(64 * 1024)
/**
 * A read that fills so much of it belongs to a large answer. That is read into memory of its own, which goes straight on
 * into another socket and is read into again: new memory for each piece makes the garbage collector go through the whole
 * heap every few answers, and takes more time than everything else together.
 */
const LARGE_READ_BYTES = 32 * 1024
const LARGE_BUFFER_BYTES = 256 * 1024
/** Connections that have such memory at once: clients that read slowly keep it occupied, and a small container has little (C65). */
const MOST_LARGE = 32
let large = 0

/**
 * Takes what was received: a view that is `lent` until the call returns, or the taker's own unless it returns true: then
 * the same memory is read into again.
 */
export type Receive = (chunk: Buffer, lent: boolean) => boolean

/** The origin of an http or https URL. */
export function originOf(url: URL): Origin {
  const isTls = url.protocol === 'https:'
  const port = Number(url.port || (isTls ? 443 : 80))
  return { isTls, hostname: url.hostname.replace(/^\[|\]$/g, ''), port, host: url.host }
}

/** Begins to connect; TLS is verified against the name in the URL and the trusted authorities of Node. */
export function connectTo(origin: Origin, receive: Receive): Socket {
  const { hostname: host, port } = origin
  const place = { host, port, lookup, noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEP_ALIVE_MS }
  if (!origin.isTls) {
    const reads = createReads(receive)
    return connectTcp({ ...place, onread: reads.onread }).once('close', reads.release)
  }
  const servername = isIP(host) === 0 ? host : ''
  const socket = connectTls({ ...place, servername, ALPNProtocols: ['http/1.1'], rejectUnauthorized: true })
  return socket.on('data', (chunk) => {
    if (receive(chunk, false)) giveBack(chunk)
  })
}

/** Without a stream in between: small answers out of the common memory, large ones in pieces that need no copy. */
function createReads(receive: Receive): { readonly onread: OnReadOpts; release(): void } {
  let into = RECEIVED
  let isCounted = false

  function release(): void {
    if (isCounted) large -= 1
    isCounted = false
  }

  function enlarge(): void {
    if (large >= MOST_LARGE) return
    large += 1
    isCounted = true
    into = Buffer.allocUnsafeSlow(LARGE_BUFFER_BYTES)
  }

  function callback(length: number, buffer: Uint8Array): boolean {
    const isShared = buffer === RECEIVED
    // Whatever was kept of the last large piece has gone, or nothing would be read.
    if (isShared) release()
    const isFree = receive((buffer as Buffer).subarray(0, length), isShared)
    // Whoever keeps a piece is slow, or pauses: while nothing is read, no memory waits for it.
    if (length < LARGE_READ_BYTES || !isFree) into = RECEIVED
    else if (isShared) enlarge()
    return true
  }

  return { onread: { buffer: () => into, callback }, release }
}
