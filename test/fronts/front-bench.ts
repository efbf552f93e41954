/** Everything a front's test needs: a directory, a lease server, a guest, and the operator's settings for both. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LeaseServer } from './lease-server.ts'
import { SshGuest } from './ssh-guest.ts'

export const TOKEN = 'slw_secret-runner-token'

export class FrontBench implements AsyncDisposable {
  readonly directory: string
  readonly leases: LeaseServer
  readonly guest: SshGuest

  private constructor(directory: string, leases: LeaseServer, guest: SshGuest) {
    this.directory = directory
    this.leases = leases
    this.guest = guest
  }

  /** `settings`: more lines of `custom-executor.toml`. */
  static async start(settings: (directory: string) => string = () => ''): Promise<FrontBench> {
    const directory = await mkdtemp(join(tmpdir(), 'slipway-front-'))
    const guest = new SshGuest(directory)
    await guest.start()
    const socket = join(directory, 'lease.sock')
    const leases = new LeaseServer({ socket, token: TOKEN, access: () => guest.access })
    await leases.start()
    await writeFile(join(directory, 'token'), TOKEN, { mode: 0o600 })
    const text = `
      socket = "${socket}"
      token_file = "token"
      default_flavor = "small"
      flavors = ["large"]
      ${settings(directory)}
      [images]
      "debian:12" = { flavor = "debian" }
      "debian:13" = { flavor = "debian", image = "debian-13" }
    `
    await writeFile(join(directory, 'custom-executor.toml'), text)
    return new FrontBench(directory, leases, guest)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leases.stop()
    await this.guest.stop()
    await rm(this.directory, { recursive: true, force: true })
  }
}
