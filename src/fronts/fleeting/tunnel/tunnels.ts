/** The tunnels of one plugin, one per instance. */
import type { Access, SlipwayError } from '../../../model/index.ts'
import { openTunnel, type Tunnel, type TunnelOptions } from './tunnel.ts'

export interface TunnelsParts extends Pick<TunnelOptions, 'restMs' | 'signal'> {
  readonly onFailure: (instance: string, error: SlipwayError) => void
}

export class Tunnels {
  readonly #parts: TunnelsParts
  readonly #open = new Map<string, Promise<Tunnel>>()

  constructor(parts: TunnelsParts) {
    this.#parts = parts
  }

  /** Where the instance's machine is reached: the same for as long as it is not closed. */
  async to(instance: string, access: TunnelOptions['access']): Promise<Pick<Access, 'address' | 'port'>> {
    const known = this.#open.get(instance)
    if (known !== undefined) return known
    const opening = openTunnel({
      ...this.#parts,
      instance,
      access,
      onFailure: (error) => this.#parts.onFailure(instance, error),
    })
    this.#open.set(instance, opening)
    try {
      return await opening
    } catch (error) {
      this.#open.delete(instance)
      throw error
    }
  }

  /** Closes all but those of `instances`. */
  keep(instances: readonly string[]): void {
    const kept = new Set(instances)
    this.close([...this.#open.keys()].filter((instance) => !kept.has(instance)))
  }

  close(instances: readonly string[]): void {
    for (const instance of instances) {
      this.#open
        .get(instance)
        ?.then((tunnel) => tunnel.close())
        .catch(() => undefined)
      this.#open.delete(instance)
    }
  }
}
