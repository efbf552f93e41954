/** The driver that the configuration names, loaded alone, with what goes with it. */
import { mkdir } from 'node:fs/promises'
import { ensureOwnFolder } from '../files/index.ts'
import { type Clock, parseId, SlipwayError } from '../model/index.ts'
import { type AgentConfig, layoutOf } from './config.ts'
import { sshDoor } from './door.ts'
import type { Driver, ImageSource } from './drivers/driver.ts'
import { hostResolver } from './host-resolver.ts'
import { ImageStore } from './images/index.ts'
import { publicLineOf } from './key-pair.ts'
import type { Door } from './ports.ts'

export interface OpenDriver {
  readonly driver: Driver
  readonly images: ImageSource
  readonly door: Door
}

export function openDriver(config: AgentConfig, clock: Clock): Promise<OpenDriver> {
  return config.driver === 'libvirt' ? openLibvirt(config) : openSimulated(config, clock)
}

async function openLibvirt(config: AgentConfig): Promise<OpenDriver> {
  const { LibvirtDriver } = await import('./drivers/libvirt/index.ts')
  const { host, network, libvirt, limits } = config
  const { tools } = layoutOf(config)
  await mkdir(config.images, { recursive: true, mode: 0o711 })
  await ensureOwnFolder(tools, 0o755)
  const resolver = network.resolver ?? (await hostResolver())
  const driver = new LibvirtDriver({
    host,
    stateDir: config.state,
    runDir: config.run,
    readOnlyDirs: [config.images, tools],
    uplink: network.uplink,
    resolver: resolver === 'none' ? undefined : resolver,
    uidBase: libvirt.uid_base,
    uidCount: libvirt.uid_count,
    stock: libvirt.stock,
    memoryReserveMiB: limits.memory_reserve_mib,
    diskReserveMiB: limits.disk_reserve_mib,
  })
  return { driver, images: new ImageStore(config.images), door: sshDoor }
}

/** A host of its own, as large as one may wish, that ends with this process. */
async function openSimulated(config: AgentConfig, clock: Clock): Promise<OpenDriver> {
  const { simulatedDoor, simulatedDriver, VirtualHost } = await import('./drivers/simulated/index.ts')
  const host = new VirtualHost(config.host, { vcpus: 64, memoryMiB: 262_144, diskMiB: 4_194_304 })
  const options = { host, clock, random: Math.random }
  const door = simulatedDoor(options)
  return {
    driver: simulatedDriver(options),
    images: simulatedImages(),
    door: (access, { signal }) => door(access, publicLineOf(access.privateKey), signal),
  }
}

const NAMES = ['debian', 'debian-docker', 'tiny']
/** The images of the default flavors: nothing boots from them. */
function simulatedImages(): ImageSource {
  const manifests = NAMES.map((name, n) => ({
    name,
    version: '1',
    os: 'linux' as const,
    arch: 'x86_64' as const,
    firmware: 'bios' as const,
    user: 'root',
    digest: parseId('ImageDigest', `sha256:${String(n).padStart(64, '0')}`),
    sizeBytes: 1,
    virtualBytes: 1,
    builtAt: '2030-01-01T00:00:00Z',
  }))
  return {
    list: async () =>
      manifests.map(({ digest, name, version, builtAt }) => ({ digest, name, version, builtAt, diskMiB: 1 })),
    async find(digest) {
      const manifest = manifests.find((each) => each.digest === digest)
      if (manifest) return { manifest, disk: '/dev/null' }
      throw new SlipwayError('unknown_image', { image: digest, known: NAMES.join(', ') })
    },
  }
}
