import { createHash } from 'node:crypto'
import type { HostId } from '../../../../model/index.ts'

export interface ConfigurationFacts {
  readonly host: HostId
  /** Whom libvirt runs QEMU as when it only asks about it; no machine has this uid. */
  readonly uid: number
  readonly kvm: boolean
  /** Version 2 has one hierarchy whose controllers libvirt finds by itself; in version 1 they are named. */
  readonly cgroupVersion: 1 | 2
  /** The host's own `passwd` and `group`: libvirt insists on resolving the user it was compiled for. */
  readonly passwd: string
  readonly group: string
}

/** Bytes of one machine's console or QEMU log before virtlogd rolls it over, and how many old ones it keeps. */
const LOG_BYTES_MAX = 2 * 1024 * 1024
const LOG_BACKUPS = 1
/** Threads count: QEMU's I/O pool has 64. */
const PROCESSES_MAX = 256
const FILES_MAX = 1024
/** libvirtd stops reading from a client that has more calls unanswered than this; ours stays far below. */
export const CLIENT_REQUESTS_MAX = 64

/** The files of the minimal root's `/etc`, by path: all that the daemons know of the host. */
export function configurationFiles(facts: ConfigurationFacts): ReadonlyMap<string, string> {
  return new Map([
    ['passwd', accounts(facts.passwd, ['root', 'libvirt-qemu', 'qemu'])],
    ['group', accounts(facts.group, ['root', 'libvirt-qemu', 'qemu', 'kvm'])],
    ['nsswitch.conf', 'passwd: files\ngroup: files\n'],
    ['libvirt/libvirtd.conf', libvirtdConf(facts.host)],
    ['libvirt/virtlogd.conf', lines({ max_size: LOG_BYTES_MAX, max_backups: LOG_BACKUPS })],
    ['libvirt/qemu.conf', qemuConf(facts)],
    ['libvirt/qemu/.keep', ''],
  ])
}

/** libvirt's QEMU driver alone: no networks, pools, secrets or devices of the host are its business. */
export const DRIVER_DIR = '/etc/libvirt/drivers'
export const DRIVER_NAME = 'libvirt_driver_qemu.so'

const libvirtdConf = (host: HostId): string =>
  lines({
    auth_unix_rw: 'none',
    auth_unix_ro: 'none',
    unix_sock_dir: '/run/libvirt/sock',
    unix_sock_rw_perms: '0600',
    unix_sock_ro_perms: '0600',
    unix_sock_admin_perms: '0600',
    max_clients: 32,
    max_anonymous_clients: 32,
    max_workers: 16,
    prio_workers: 4,
    max_client_requests: CLIENT_REQUESTS_MAX,
    keepalive_interval: 5,
    keepalive_count: 3,
    audit_level: 0,
    log_outputs: '3:stderr',
    host_uuid: hostUuid(host),
  })

/**
 * `security_require_confined` is not among them: in the daemons' root there is no AppArmor or SELinux to confine by, and
 * libvirtd would refuse to start.
 */
const qemuConf = ({ uid, kvm, cgroupVersion }: ConfigurationFacts): string =>
  lines({
    user: `+${uid}`,
    group: `+${uid}`,
    dynamic_ownership: 1,
    remember_owner: 0,
    clear_emulator_capabilities: 1,
    seccomp_sandbox: 1,
    namespaces: ['mount'],
    ...(cgroupVersion === 1 && {
      // Those that bound a machine or count for it: each more is three groups to make before its QEMU may start.
      cgroup_controllers: ['cpu', 'cpuacct', 'devices', 'memory'],
    }),
    cgroup_device_acl: [
      '/dev/null',
      '/dev/full',
      '/dev/zero',
      '/dev/random',
      '/dev/urandom',
      ...(kvm ? ['/dev/kvm'] : []),
    ],
    stdio_handler: 'logd',
    max_files: FILES_MAX,
    max_processes: PROCESSES_MAX,
    max_core: 0,
    dump_guest_core: 0,
  })

type Value = string | number | readonly string[]

function lines(values: Readonly<Record<string, Value>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
    .join('')
}

const accounts = (table: string, names: readonly string[]): string =>
  table
    .split('\n')
    .filter((line) => names.includes(line.split(':')[0] ?? ''))
    .map((line) => `${line}\n`)
    .join('')

/** Else libvirt asks the firmware through /dev/mem, which is not there. */
function hostUuid(host: HostId): string {
  const hex = createHash('sha256').update(`slipway ${host}`).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  )
}
