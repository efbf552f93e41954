/** A network namespace as another host: from it this one is reached over a network, and none of its machines is near. */
import { execFileSync } from 'node:child_process'

export class FarHost implements Disposable {
  readonly namespace: string
  /** Of this host, as the far one reaches it. */
  readonly address = '10.77.0.1'

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
    ])
      execFileSync('ip', line.split(' '))
  }

  [Symbol.dispose](): void {
    execFileSync('ip', ['netns', 'del', this.namespace])
  }
}
