import type { Driver } from '../../src/agent/drivers/driver.ts'
import type { VirtualHost } from '../../src/agent/drivers/simulated/index.ts'
import { type MachineId, parseId, type TemplateId } from '../../src/model/index.ts'
import { driverConformance } from './driver-conformance.ts'
import { simulatedHost } from './simulated-host.ts'
import { templateConformance } from './template-conformance.ts'

driverConformance('simulated', simulatedHost)
templateConformance('simulated', simulatedHost)

const canary = (
  name: string,
  spoil: (driver: Driver, host: VirtualHost) => Partial<Driver>,
  broken: readonly string[],
): void =>
  driverConformance(
    `canary: ${name}`,
    () => simulatedHost((driver, host) => ({ ...driver, ...spoil(driver, host) })),
    broken,
  )

canary(
  'destroys all but the overlay',
  (driver) => ({
    async destroy(machine) {
      for (const resource of await driver.list()) {
        if (resource.machine === machine && resource.kind !== 'overlay') await driver.remove(resource)
      }
    },
  }),
  [
    'makes a machine whose guest answers, opens its link, and removes all of it',
    'destroys what was never there, and again what is gone',
    'makes and removes several at once',
    'finds a half-made machine and can destroy it',
    'finds after a restart what an earlier driver left',
  ],
)

canary(
  'calls everything on the host its own',
  (driver, host) => ({
    list: async () => host.things().map(({ kind, name }) => ({ kind, name })),
    remove: async ({ kind, name }) => host.drop(kind, name),
    destroy: (machine) => driver.destroy(machine),
  }),
  ['neither lists nor touches what only looks like ours'],
)

canary(
  'does not stop when told to',
  (driver) => ({
    clone: (request) => driver.clone({ ...request, signal: new AbortController().signal }),
  }),
  [
    'leaves nothing of a clone aborted after any of its steps',
    'begins nothing under a signal that is already aborted',
  ],
)

canary(
  'makes room for a second machine of the same id',
  (driver) => ({
    async clone(request) {
      await driver.destroy(request.machine)
      return driver.clone(request)
    },
  }),
  ['refuses a second machine of the same id and leaves the first alone'],
)

canary(
  'knows only the machines it made itself',
  (driver) => {
    const mine = new Set<MachineId>()
    return {
      async clone(request) {
        const made = await driver.clone(request)
        mine.add(request.machine)
        return made
      },
      list: async () => (await driver.list()).filter(({ machine }) => machine && mine.has(machine)),
      running: async () => new Set([...(await driver.running())].filter((machine) => mine.has(machine))),
    }
  },
  [
    'finds a half-made machine and can remove it',
    'finds after a restart what an earlier driver left',
    'prepares and closes as often as it is asked',
  ],
)

canary(
  'says the wrong thing of a guest that ended',
  () => ({
    async *events() {
      yield { machine: parseId('MachineId', `m-${'0'.repeat(26)}`), kind: 'vanished', detail: '' }
    },
  }),
  [
    'says so when a guest has stopped',
    'says so when a guest has crashed',
    'ends its events when nobody wants them any more',
  ],
)

canary(
  'hands out the console as it came',
  () => ({ console: async () => Array.from({ length: 1_000 }, () => '\u0007') }),
  ['keeps the last lines of a console, few and clean'],
)

const templateCanary = (
  name: string,
  spoil: (driver: Driver) => Partial<Driver>,
  broken: readonly string[],
): void =>
  templateConformance(
    `canary: ${name}`,
    () => simulatedHost((driver) => ({ ...driver, ...spoil(driver) })),
    broken,
  )

templateCanary(
  'removes a template when its hull is made',
  (driver) => {
    let making: Promise<unknown> = Promise.resolve()
    return {
      makeHull(request) {
        const made = driver.makeHull(request)
        making = made.catch(() => {})
        return made
      },
      async removeTemplate(template) {
        await making
        await driver.removeTemplate(template)
      },
    }
  },
  ['ends the making of a hull whose template is removed, and leaves nothing of either'],
)

templateCanary(
  'forgets with its process whose successor is wanted',
  (driver) => {
    const stale = new Set<TemplateId>()
    return {
      async markStale(template) {
        stale.add(template)
      },
      templates: async () =>
        (await driver.templates()).map((template) => ({ ...template, stale: stale.has(template.id) })),
    }
  },
  ['remembers over a restart whose successor is wanted, until it goes'],
)

templateCanary(
  'counts as a machine what nobody has asked for',
  (driver) => ({
    templates: async () =>
      (await driver.templates()).map(({ clones, hulls, ...template }) => ({
        ...template,
        clones: clones + hulls.length,
        hulls,
      })),
  }),
  [
    'makes hulls of it, which are nobody’s machines until they are launched',
    'takes hulls away one by one, with their template, and with itself',
    'ends the making of a hull whose template is removed, and leaves nothing of either',
  ],
)

templateCanary(
  'calls a leak what is half made',
  (driver) => {
    let making = 0
    return {
      async makeHull(request) {
        making++
        try {
          return await driver.makeHull(request)
        } finally {
          making--
        }
      },
      async list() {
        const found = await driver.list()
        return making === 0 ? found : found.map(({ kept: _, ...resource }) => resource)
      },
    }
  },
  ['lists nothing of a hull that comes or goes meanwhile as anybody’s'],
)
