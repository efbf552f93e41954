/** Plays misfortune: draws what happens next, makes it happen, and puts it right again after a while. */

import { resourceName } from '../../src/agent/drivers/resource-name.ts'
import type { MachineId } from '../../src/model/index.ts'
import type { Life } from './life.ts'
import type { Random } from './random.ts'
import type { Misfortune } from './scenario.ts'
import type { SimHost } from './sim-host.ts'
import type { World } from './world.ts'

/** One misfortune after another, until the storm is over. */
export function storm(world: World, random: Random): void {
  const { misfortunes, misfortuneEveryMs, stormMs } = world.scenario
  const [first, ...others] = misfortunes
  if (first === undefined) return
  const next = (): void => {
    if (world.now() >= stormMs) return
    strike(world, random, random.pick([first, ...others]))
    world.clock.after(random.next() * 2 * misfortuneEveryMs, next)
  }
  world.clock.after(random.next() * misfortuneEveryMs, next)
}

/** All is put right, at once and for good. */
export function clear(world: World): void {
  world.calmSinceMs = world.now()
  world.coordinator?.life.light(Number.POSITIVE_INFINITY)
  world.startCoordinator()
  for (const site of world.sites) {
    site.agent?.life.light(Number.POSITIVE_INFINITY)
    site.cutUntilMs = 0
    site.host.setHypervisor('up')
    world.startAgent(site)
  }
  world.see({ kind: 'calm' })
}

function strike(world: World, random: Random, misfortune: Misfortune): void {
  const [first, ...others] = world.sites
  if (first === undefined) return
  const site = random.pick([first, ...others])
  const { host } = site
  world.say('storm', `${misfortune} ${misfortune.startsWith('coord') ? '' : host.id}`)
  switch (misfortune) {
    case 'coordinator-kill':
      if (world.coordinator) end(world.coordinator.life, random)
      later(world, random, () => world.startCoordinator())
      break
    case 'agent-kill':
      if (site.agent) end(site.agent.life, random)
      later(world, random, () => world.startAgent(site))
      break
    case 'partition':
      site.cutUntilMs = world.now() + random.next() * AWAY_MS_MAX
      if (random.chance(0.5)) site.connection?.break()
      break
    case 'disconnect':
      site.connection?.break()
      break
    case 'hypervisor-down':
      host.setHypervisor('down')
      later(world, random, () => host.setHypervisor('up'))
      break
    case 'power-cut':
      site.agent?.life.kill()
      host.cutPower()
      later(world, random, () => world.startAgent(site))
      break
    case 'guest-end':
      onVictim(host, random, (machine) => endGuest(host, machine, random))
      break
    case 'guest-end-unseen':
      onVictim(host, random, (machine) => host.endUnseen(machine))
      break
    case 'template-lost':
      host.loseTemplate(random)
      break
    case 'upgrade':
      host.version = `${Number(host.version) + 1}`
      world.see({ kind: 'upgraded', host: host.id })
      break
    case 'stray':
      host.plantStray(world.machineId(), random)
      break
    case 'guest-silence':
      onVictim(host, random, (machine) => host.silence(machine))
      break
    case 'operator-removal':
      onVictim(host, random, (machine) => world.removeMachine(machine))
      break
  }
}

/** At once, or between two of its next effects. */
const end = (life: Life, random: Random): void =>
  random.chance(0.3) ? life.kill() : life.light(random.int(1, MOMENTS_MAX))

const later = (world: World, random: Random, task: () => void): void =>
  void world.clock.after(random.next() * AWAY_MS_MAX, task)

function onVictim(host: SimHost, random: Random, task: (machine: MachineId) => void): void {
  const [first, ...others] = host.alive()
  if (first !== undefined) task(random.pick([first, ...others]))
}

function endGuest(host: SimHost, machine: MachineId, random: Random): void {
  const kind = random.pick(['stopped', 'crashed'] as const)
  host.endGuest(resourceName(host.id, machine), kind, `the guest ${kind}`)
}

/** No host is away for so long that its machines are given up. */
const AWAY_MS_MAX = 15_000
const MOMENTS_MAX = 120
