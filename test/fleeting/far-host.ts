/** A network namespace as another host: from it this one is reached over a network, and none of its machines is near. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'

const SSH_PORT = 22

export class FarHost implements Disposable {
  readonly namespace: string
  /** Of this host, as the far one reaches it. */
  readonly address = '10.77.0.1'
  readonly #sockets = new Set<Socket>()
  #relay: Server | undefined

  constructor(namespace: string) {
    this.namespace = namespace
    execFileSync('ip', ['netns', 'add', namespace])
    for (const line of [
      `link add far0 type veth peer name far1 netns ${namespace}`,
      `addr add ${this.address}/24 dev far0`,
      'link set far0 up',
      `-n ${namespace} addr add 10.77.0.2/24 dev far1`,
      `-n ${namespace} link set far1 up`,
      `-n ${namespace} link set lo up`,
      `-n ${namespace} route add default via ${this.address}`,
    ])
      execFileSync('ip', line.split(' '))
  }

  /** From now on the far host reaches that machine by its address, as it would where an operator lets it through. */
  async open(machine: string): Promise<void> {
    const relay = createServer((near) => void this.#carry(near, machine)).listen(0, this.address)
    this.#relay = relay
    await once(relay, 'listening')
    const { port } = relay.address() as AddressInfo
    const rules = [
      'add table ip way',
      'add chain ip way output { type nat hook output priority -100; }',
      `add rule ip way output ip daddr ${machine} tcp dport ${SSH_PORT} dnat to ${this.address}:${port}`,
    ]
    execFileSync('ip', ['netns', 'exec', this.namespace, 'nft', '-f', '-'], { input: rules.join('\n') })
  }

  async #carry(near: Socket, machine: string): Promise<void> {
    const far = dial({ host: machine, port: SSH_PORT })
    for (const socket of [near, far]) {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    }
    await Promise.allSettled([pipeline(near, far), pipeline(far, near)])
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#relay?.close()
    execFileSync('ip', ['netns', 'del', this.namespace])
  }
}
