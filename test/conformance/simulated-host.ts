import type { Driver } from '../../src/agent/drivers/driver.ts'
import { resourceName } from '../../src/agent/drivers/resource-name.ts'
import { simulatedDriver, VirtualHost, writeConsole } from '../../src/agent/drivers/simulated/index.ts'
import { type Clock, parseId, shapeOf } from '../../src/model/index.ts'
import { ulids } from '../sim/ids.ts'
import { seeded } from '../sim/random.ts'
import { VirtualClock } from '../sim/virtual-clock.ts'
import { decoyNames } from './decoys.ts'
import type { ConformanceHost } from './host.ts'
import { anyImage, anySpec } from './image.ts'

/** A host of the simulated driver under a virtual clock; `spoil` turns its drivers into canaries. */
export async function simulatedHost(
  spoil = (driver: Driver, _host: VirtualHost): Driver => driver,
): Promise<ConformanceHost> {
  const random = seeded(1)
  const clock = new VirtualClock()
  const stop = new AbortController()
  void clock.fly(stop.signal)
  const host = new VirtualHost(parseId('HostId', 'local'), { vcpus: 8, memoryMiB: 8192, diskMiB: 65_536 })
  const ulid = ulids(random)
  const machine = () => parseId('MachineId', `m-${ulid()}`)
  const options = { host, clock, random: random.next }

  return {
    spec: anySpec,
    image: anyImage,
    disk: '/nowhere/disk.qcow2',
    deadlineMs: 60_000,
    rehearses: false,
    open: async () => spoil(simulatedDriver(options), host),
    machine,
    async plantDecoys() {
      const names = decoyNames(host.id, machine())
      for (const name of names) {
        host.put({ kind: 'overlay', name, diskMiB: 1 })
        host.put({ kind: 'namespace', name, link: 'up' })
      }
      return async () =>
        names.filter((name) => !host.get('overlay', name) || host.get('namespace', name)?.link !== 'up')
    },
    async leaveHalf(machine) {
      const dying = mortal(clock)
      const driver = simulatedDriver({ ...options, clock: dying.clock })
      await new Promise<void>((resolve) => {
        const step = (name: string): void => {
          if (name !== 'namespace') return
          dying.kill()
          resolve()
        }
        const signal = new AbortController().signal
        void driver.clone({ machine, spec: anySpec, image: anyImage, disk: '', step, signal })
      })
    },
    async leaveHalfTemplate() {
      const dying = mortal(clock)
      const driver = simulatedDriver({ ...options, clock: dying.clock })
      await new Promise<void>((resolve) => {
        const warm = async (): Promise<void> => {
          dying.kill()
          resolve()
          await new Promise(() => {})
        }
        const signal = new AbortController().signal
        const shape = shapeOf(anySpec)
        const request = { shape, image: anyImage, disk: '', forbidden: [], warm, step: () => {}, signal }
        void driver.buildTemplate(request)
      })
    },
    async powerOff(machine) {
      host.endGuest(resourceName(host.id, machine), 'stopped', 'poweroff')
    },
    async crash(machine) {
      const name = resourceName(host.id, machine)
      if (host.get('domain', name)?.state === 'running') host.endGuest(name, 'crashed', 'killed')
      else host.drop('domain', name)
    },
    async floodConsole(machine) {
      const guest = host.get('domain', resourceName(host.id, machine))?.guest
      for (let line = 0; line < 10_000 && guest; line++) writeConsole(guest, `\u001b[31m${line}\u0007\r`)
    },
    async close() {
      stop.abort()
    },
  }
}

/** A clock whose tasks never run once it is killed. */
function mortal(clock: Clock): { readonly clock: Clock; kill(): void } {
  let dead = false
  return {
    kill() {
      dead = true
    },
    clock: {
      now: () => clock.now(),
      wall: () => clock.wall(),
      after: (delayMs, task) => clock.after(delayMs, () => dead || task()),
    },
  }
}
