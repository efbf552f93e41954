/**
 * A host with neither coordinator nor agent: the driver and the ready sequence alone. Nobody reserves room here, and
 * nobody keeps hulls.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ulid } from 'ulid'
import { sshDoor } from '../src/agent/door.ts'
import type { Template } from '../src/agent/drivers/driver.ts'
import { LibvirtDriver } from '../src/agent/drivers/libvirt/index.ts'
import { ImageStore } from '../src/agent/index.ts'
import { makeReady } from '../src/agent/ready.ts'
import { warmUp } from '../src/agent/templates/warm-up.ts'
import { Unseen } from '../src/agent/unseen.ts'
import { type MachineId, type MachineSpec, parseId, shapeOf, systemClock } from '../src/model/index.ts'
import { qemuOf } from '../test/up/instance.ts'

const HOST = parseId('HostId', 'bench')
const BOOT_MS = 180_000
/** Of each machine, unless its template says otherwise. */
export const MEMORY_MIB = 256
const signal = new AbortController().signal
const step = (): void => {}

export interface BareHost extends AsyncDisposable {
  readonly driver: LibvirtDriver
  /** Booted, or a clone; ready. */
  make(template?: Template): Promise<MachineId>
  /** Boots, warms and publishes. */
  freeze(memoryMiB?: number): Promise<Template>
  pidOf(machine: MachineId): number
}

/** In a directory of its own, all of which goes with it. */
export async function openBareHost(images: string, image: string): Promise<BareHost> {
  await using opened = new AsyncDisposableStack()
  const store = new ImageStore(images)
  const { digest } = await store.resolve(image)
  const { manifest, disk } = await store.find(digest)
  const top = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
  opened.defer(() => rmSync(top, { recursive: true, force: true }))
  mkdirSync(join(top, 'state'), { mode: 0o711 })
  const driver = new LibvirtDriver({
    host: HOST,
    stateDir: join(top, 'state'),
    runDir: join(top, 'run'),
    readOnlyDirs: [images],
    uplink: '100.64.0.0/16',
    uidBase: 200_000,
    uidCount: 1_000,
    stock: 4,
    memoryReserveMiB: 256,
    diskReserveMiB: 256,
  })
  opened.defer(() => driver.close())
  await driver.prepare({ signal })
  opened.defer(() => clear(driver))

  const specOf = (memoryMiB: number): MachineSpec => ({
    flavor: parseId('FlavorName', 'bench'),
    image: digest,
    vcpus: 1,
    memoryMiB,
    diskGiB: image === 'tiny' ? 1 : 4,
    network: { allow: [] },
    trustDomain: parseId('TrustDomain', 'bench'),
    allowEmulation: true,
  })
  const ports = { driver, clock: systemClock, random: randomBytes, unseen: new Unseen(HOST), door: sshDoor }
  const common = { image: manifest, disk, step, signal }
  const kept = opened.move()
  return {
    driver,
    async make(template) {
      const machine = parseId('MachineId', `m-${ulid().toLowerCase()}`)
      const spec = specOf(template?.shape.memoryMiB ?? MEMORY_MIB)
      const source = template && { template: template.id }
      const clone = await driver.clone({ machine, spec, ...common, ...source })
      await makeReady(ports, { clone, user: manifest.user, tools: false, bootMs: BOOT_MS, step, signal })
      return machine
    },
    freeze: (memoryMiB = MEMORY_MIB) =>
      driver.buildTemplate({
        ...common,
        shape: shapeOf(specOf(memoryMiB)),
        forbidden: [],
        warm: (clone) =>
          warmUp(ports, { clone, image: manifest, tools: false, bootMs: BOOT_MS, step, signal }),
      }),
    pidOf(machine) {
      const pid = qemuOf({ host: HOST }, machine)
      if (pid === undefined) throw new Error(`no QEMU of ${machine}`)
      return pid
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

async function clear(driver: LibvirtDriver): Promise<void> {
  for (const machine of await driver.running()) await driver.destroy(machine)
  for (const resource of await driver.list()) await driver.remove(resource)
}
