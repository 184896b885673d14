import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

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

/** The origin of an http or https URL. */
export function originOf(url: URL): Origin {
  const isTls = url.protocol === 'https:'
  const port = Number(url.port || (isTls ? 443 : 80))
  return { isTls, hostname: url.hostname.replace(/^\[|\]$/g, ''), port, host: url.host }
}

/**
 * Begins to connect; TLS is verified against the name in the URL and the trusted authorities of Node. `receive` gets views
 * that are good until it returns.
 */
export function connectTo(origin: Origin, receive: (chunk: Buffer) => void): Socket {
  const { hostname: host, port } = origin
  const place = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEP_ALIVE_MS }
  if (origin.isTls) {
    const servername = isIP(host) === 0 ? host : ''
    const socket = connectTls({ ...place, servername, ALPNProtocols: ['http/1.1'], rejectUnauthorized: true })
    return socket.on('data', receive)
  }
  const onread = {
    buffer: RECEIVED,
    callback(length: number, buffer: Uint8Array) {
      receive((buffer as Buffer).subarray(0, length))
      return true
    },
  }
  return connectTcp({ ...place, onread })
}
