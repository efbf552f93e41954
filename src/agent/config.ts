/** `agent.toml`: where this host keeps what, and how much of it machines may have. Written by the operator. */
import { join } from 'node:path'
import { z } from 'zod'
import { hostId } from '../api/server.ts'
import { parseId } from '../model/index.ts'
import { readSettings, readToml, type Setting } from '../toml/index.ts'

const path = z.string().regex(/^\/[^\0\n]*$/, 'not an absolute path')
const count = (min: number, max: number) => z.int().min(min).max(max)
/** Within the ids that neither Debian's packages nor its users have (adduser.conf: users end at 59999). */
const UID_MIN = 65_536

const schema = z.strictObject({
  /** Names this host; part of every resource name on it. */
  host: hostId.default(parseId('HostId', 'local')),
  /** Survives a reboot: overlays, whom this host obeys. */
  state: path.default('/var/lib/slipway/agent'),
  /** Ends with a reboot, as machines do: their records and keys. */
  run: path.default('/run/slipway/agent'),
  images: path.default('/var/lib/slipway/images'),
  /** The coordinator's socket for agents. */
  coordinator: path.default('/run/slipway/agent.sock'),
  driver: z.enum(['libvirt', 'simulated']).default('libvirt'),
  /** A program or folder that every machine finds in /opt/slipway/tools: the runner's own binary. */
  tools: path.optional(),
  network: z
    .strictObject({
      /** IPv4 network that the machines' uplinks are cut from; only this host ever sees it. */
      uplink: z.cidrv4('not an IPv4 network').default('100.64.0.0/16'),
      /** The one DNS server of the machines; the host's own if absent, `none` for none. */
      resolver: z.union([z.ipv4(), z.literal('none')]).optional(),
    })
    .prefault({}),
  libvirt: z
    .strictObject({
      /** Each machine's QEMU runs as a user id of its own from here on. */
      uid_base: count(UID_MIN, 4_000_000_000).default(200_000),
      uid_count: count(16, 65_536).default(16_384),
      /** Machines' namespaces made ahead of demand. */
      stock: count(0, 256).default(4),
    })
    .prefault({}),
  limits: z
    .strictObject({
      /** vCPUs that machines may have for each of the host's: jobs wait for the network most of their time. */
      vcpu_overcommit: z.number().min(0.1).max(100).default(4),
      /** Left to the host. */
      memory_reserve_mib: count(0, 1_048_576).default(1_024),
      disk_reserve_mib: count(0, 1_048_576_000).default(4_096),
      /** Machines may not have more in all, however large the host is. */
      vcpus: count(1, 100_000).optional(),
      memory_mib: count(64, 1_073_741_824).optional(),
      disk_mib: count(64, 1_073_741_824).optional(),
      /** Machines in the making at once; by the number of the host's CPUs if absent. */
      clones_at_once: count(1, 256).optional(),
      /** From power-on until the guest agent answers. */
      boot_s: count(1, 3_600).default(180),
    })
    .prefault({}),
  templates: z
    .strictObject({
      /** False: every machine boots. */
      enabled: z.boolean().default(true),
      /** Then a successor is built: what is frozen gets no security updates. */
      max_age_h: count(1, 8_760).default(168),
      /** All of them together may take no more. */
      disk_gib: count(1, 65_536).default(64),
      /** Kept of all that serve together: clones that are paused before they are anybody. 0: none. */
      hulls: count(0, 256).default(8),
    })
    .prefault({}),
})

export type AgentConfig = z.infer<typeof schema>

/** The configuration in `configDir`; every key has a default. Throws `bad_config` with file and line. */
export const readAgentConfig = (configDir: string): Promise<AgentConfig> =>
  readToml(join(configDir, FILE), schema)

/** The same, key by key, with where each comes from. */
export const agentSettings = (configDir: string): Promise<readonly Setting[]> =>
  readSettings(join(configDir, FILE), schema)

const FILE = 'agent.toml'

/** Where in its directories the agent keeps what. */
export const layoutOf = ({ state, run }: Pick<AgentConfig, 'state' | 'run'>) => ({
  records: join(run, 'records'),
  tools: join(state, 'tools'),
})
