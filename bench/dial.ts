import { createConnection, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

/** Connects to a socket of a QEMU that has just been started, as soon as it listens. */
export async function dial(path: string, pollMs: number, signal: AbortSignal): Promise<Socket> {
  for (;;) {
    signal.throwIfAborted()
    const socket = createConnection(path)
    const up = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    if (up) return socket
    await wait(pollMs)
  }
}
