/** An SSH server in this process that plays a machine: its commands are played too, no shell runs. */
import type { AddressInfo } from 'node:net'
import ssh2, { type Connection, type ServerChannel } from 'ssh2'
import { sshKeys } from '../fronts/ssh-keys.ts'

export type Play = (command: string, channel: ServerChannel) => void

export interface FakeGuest extends Disposable {
  /** As the API gives it. */
  readonly access: {
    readonly address: string
    readonly port: number
    readonly user: string
    readonly hostKey: string
    readonly privateKey: string
  }
}

const hostKeys = sshKeys()
const userKeys = sshKeys()

export async function fakeGuest(play: Play): Promise<FakeGuest> {
  const connections: Connection[] = []
  const server = new ssh2.Server({ hostKeys: [hostKeys.private] }, (connection) => {
    connections.push(connection)
    connection.on('error', () => undefined)
    connection.on('authentication', (context) => {
      if (context.method === 'publickey') context.accept()
      else context.reject(['publickey'])
    })
    connection.on('session', (accept) => {
      accept().on('exec', (acceptExec, _reject, { command }) => play(command, acceptExec()))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    access: {
      address: '127.0.0.1',
      port,
      user: 'job',
      hostKey: hostKeys.public,
      privateKey: userKeys.private,
    },
    [Symbol.dispose]() {
      for (const connection of connections) connection.end()
      server.close()
    },
  }
}
