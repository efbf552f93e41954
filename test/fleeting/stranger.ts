/** An SSH server that lets everybody in, and remembers what it heard: what a client must not be led to. */
import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import ssh2, { type Connection } from 'ssh2'
import { sshKeys } from '../fronts/ssh-keys.ts'

export class Stranger implements Disposable {
  /** Connections that came. */
  met = 0
  /** Users that said who they are, and commands. */
  readonly heard: string[] = []
  readonly #connections = new Set<Connection>()
  readonly #server = new ssh2.Server({ hostKeys: [sshKeys().private] }, (connection) =>
    this.#meet(connection),
  )

  /** Gives the port. */
  async listen(address: string): Promise<number> {
    const server = this.#server as unknown as Server
    await once(server.listen(0, address), 'listening')
    return (server.address() as AddressInfo).port
  }

  #meet(connection: Connection): void {
    this.met += 1
    this.#connections.add(connection)
    connection.on('error', () => undefined).on('close', () => this.#connections.delete(connection))
    connection.on('authentication', (context) => {
      this.heard.push(context.username)
      context.accept()
    })
    connection.on('session', (accept) => {
      accept().on('exec', (acceptExec, _reject, { command }) => {
        this.heard.push(command)
        const channel = acceptExec()
        channel.write('caught')
        channel.exit(0)
        channel.end()
      })
    })
  }

  [Symbol.dispose](): void {
    for (const connection of this.#connections) connection.end()
    this.#server.close()
  }
}
