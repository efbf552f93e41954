import { connect, type Socket } from 'node:net'
import { LibvirtConnectionError } from './error.ts'

/** A connected unix socket, or `CONNECT_FAILED`, or the reason of `signal`. */
export function connectSocket(path: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const socket = connect(path)
    const onAbort = () => {
      socket.destroy()
      reject(signal.reason)
    }
    const onError = (cause: Error) => {
      signal.removeEventListener('abort', onAbort)
      reject(
        new LibvirtConnectionError(
          'CONNECT_FAILED',
          `cannot connect to libvirtd at ${path}: ${cause.message}`,
          { cause },
        ),
      )
    }
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('error', onError)
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort)
      socket.off('error', onError)
      resolve(socket)
    })
  })
}
