/**
 * A scenario: commands, each after `$ `, and beneath it what the coordinator then did. Machines and reservations are
 * called by the order in which they appear. `policy` takes lines of a flavor's configuration, with ` | ` between them;
 * time begins on Thursday, 1 January 2026 at 00:00 in UTC. `SLIPWAY_SCENARIOS=write` rewrites the answers; read the diff.
 */
import { parseConfig } from '../../src/coordinator/config.ts'
import type { Policy } from '../../src/coordinator/policy/index.ts'
import { type Flavor, type FlavorName, failureText, roughly, SlipwayError } from '../../src/model/index.ts'
import { type FakeHost, LOST } from '../coordinator/fake-host.ts'
import { anyFlavor, anyImage, World } from '../coordinator/world.ts'

/** The scenario with its answers as they are now. */
export function play(text: string): string {
  const stage = new Stage()
  const lines: string[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith('#') || line === '') lines.push(line)
    if (line.startsWith('$ ')) lines.push(line, ...stage.run(line.slice(2)).map((answer) => `  ${answer}`))
  }
  return `${lines.join('\n').trimEnd()}\n`
}

class Stage {
  readonly #flavors: Flavor[] = []
  readonly #policies = new Map<FlavorName, Policy>()
  readonly #hosts = new Map<string, FakeHost>()
  readonly #short = new Map<string, string>()
  #world: World | undefined
  #told = 0

  run(command: string): readonly string[] {
    const [verb = '', ...rest] = command.split(' ')
    const named = Object.fromEntries(rest.filter((word) => word.includes('=')).map((word) => word.split('=')))
    const [name = ''] = rest.filter((word) => !word.includes('='))
    if (verb === 'flavor') {
      this.#flavors.push(flavorFrom(name, named))
      return []
    }
    if (verb === 'policy') {
      for (const [flavor, policy] of policiesFrom(name, command)) this.#policies.set(flavor, policy)
      return []
    }
    const world = this.#world ?? new World({ flavors: this.#flavors, policies: this.#policies })
    this.#world = world
    const refused = this.#act(world, { verb, name, named })
    world.settle()
    return [...refused, ...this.#news(world)]
  }

  #act(
    world: World,
    { verb, name, named }: { verb: string; name: string; named: Record<string, string> },
  ): string[] {
    const host = this.#hosts.get(name)
    const on = [...this.#hosts.values()].find((each) => each.machines.has(this.#long(name)))
    try {
      if (verb === 'host') this.#hosts.set(name, world.host(hostFrom(name, named)))
      else if (verb === 'image' && host) {
        host.facts = {
          ...host.facts,
          images: [...host.facts.images, imageFrom(named.name ?? '', named.version)],
        }
        host.report()
      } else if (verb === 'away') host?.disconnect()
      else if (verb === 'back') host?.connect(world.coordinator)
      else if (verb === 'lingers' && host) host.destroysAtOnce = false
      else if (verb === 'destroyed') host?.finish()
      else if (verb === 'ask') world.ask(name, { ttlMs: 600_000, ...named })
      else if (verb === 'release') world.release(name)
      else if (verb === 'pass') world.clock.pass(Number(name) * 1_000)
      else if (verb === 'restart') world.start()
      else if (verb === 'remove') world.coordinator.removeMachine(this.#long(name))
      else if (verb === 'ready') on?.ready(this.#long(name))
      else if (verb === 'suspect') on?.suspect(this.#long(name))
      else if (verb === 'fail') on?.fail(this.#long(name))
      else if (verb === 'lose')
        on?.lose(this.#long(name), named.code === undefined ? LOST : { ...LOST, code: named.code as never })
      else if (verb === 'leases') return this.#leases(world)
      else if (verb === 'machines') return this.#machines(world)
      else throw new Error(`there is no command "${verb}"`)
      return []
    } catch (error) {
      if (error instanceof SlipwayError) return [this.#shorten(`refused: ${error.message}`)]
      throw error
    }
  }

  #news(world: World): string[] {
    const news = world.events.slice(this.#told).filter(({ event }) => SHOWN.has(event))
    this.#told = world.events.length
    return news.map(({ event, fields }) => {
      const details = Object.entries(fields).filter(([key]) => !HIDDEN.has(key))
      const words = details.map(([key, value]) => (key === 'reason' ? `(${value})` : String(value)))
      return this.#shorten([event, ...words].join(' '))
    })
  }

  #leases(world: World): string[] {
    return world.coordinator.list(world.coordinator.caller(undefined), { ended: false }).map((view) => {
      const { waiting, machine, name, state } = view
      const why = waiting?.reason ? failureText(waiting.reason) : waiting && `${waiting.making} in the making`
      const { estimateMs } = waiting ?? {}
      const time = estimateMs === undefined ? '' : `(about ${roughly(estimateMs)} to go)`
      return this.#shorten(
        [name, state, machine ?? `${waiting?.position}.`, why ?? '', time].join(' ').trim(),
      )
    })
  }

  #machines(world: World): string[] {
    return world.coordinator
      .machines()
      .map(({ machine, host, state, lease, spec }) =>
        this.#shorten([machine, host, spec.flavor, state, lease ?? ''].join(' ').trim()),
      )
  }

  #shorten(text: string): string {
    return text.replace(/\bm-\d{26}\b/g, (id) => {
      const short = [...this.#short].find(([, long]) => long === id)?.[0] ?? `m${this.#short.size + 1}`
      this.#short.set(short, id)
      return short
    })
  }

  #long(short: string): never {
    return (this.#short.get(short) ?? short) as never
  }
}

const flavorFrom = (name: string, named: Record<string, string>): Flavor =>
  anyFlavor({
    name,
    image: named.image ?? name,
    memoryMiB: Number(named.gib ?? 1) * 1024 - 256,
    limit: Number(named.limit ?? 10),
    idle: Number(named.idle ?? 0),
    idleMin: Number(named.min ?? 0),
    idleAgeMsMax: Number(named.age ?? 43_200) * 1_000,
    allowEmulation: named.emulation === 'allowed',
  })

/** `policy tiny idle_count = 2 | idle_time_s = 60`. */
function policiesFrom(name: string, command: string): ReadonlyMap<FlavorName, Policy> {
  const lines = command.slice(command.indexOf(name) + name.length).split(' | ')
  return parseConfig(['[[flavor]]', `name = "${name}"`, 'image = "any"', ...lines].join('\n'), name).policies
}

const hostFrom = (host: string, named: Record<string, string>) => ({
  host,
  acceleration: named.emulated === 'yes' ? ('emulated' as const) : ('hardware' as const),
  capacity: {
    vcpus: Number(named.vcpus ?? 16),
    memoryMiB: Number(named.gib ?? 8) * 1024,
    diskMiB: 1_000_000,
  },
  images: (named.images ?? 'tiny').split(',').map((image) => imageFrom(image)),
})

const imageFrom = (name: string, version = '1') =>
  anyImage({
    name,
    version,
    builtAt: `2026-01-0${version}T00:00:00Z`,
    byte: `${version}${(name.charCodeAt(0) % 16).toString(16)}`,
  })

const SHOWN = new Set([
  'lease_granted',
  'lease_ended',
  'machine_named',
  'machine_ready',
  'machine_doomed',
  'machine_adopted',
  'machine_failed',
  'machine_lost',
  'machine_gone',
  'host_away',
  'host_forgotten',
  'agent_refused',
])
const HIDDEN = new Set(['lease', 'runner', 'tookMs', 'waitedMs', 'code'])
