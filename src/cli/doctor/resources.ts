/** What machines need of the host, and who else is on it. */
import { type Check, fail, ok, unless, warn } from './check.ts'

const MEMORY_MIB_MIN = 1024
const DISK_MIB_MIN = 4096

export const resources: readonly Check[] = [
  {
    name: 'memory',
    why: 'a machine is not made where its memory is not free',
    remedy: 'stop something, or use smaller flavors',
    async look(host) {
      const kib = Number(
        /^MemAvailable:\s+(\d+) kB/m.exec((await host.read('/proc/meminfo')) ?? '')?.[1] ?? 0,
      )
      const freeMiB = Math.floor(kib / 1024)
      return unless(freeMiB >= MEMORY_MIB_MIN, 'fail', `${freeMiB} MiB are available`)
    },
  },
  {
    name: 'disk',
    why: 'images and the machines’ disks lie here; a full disk stops all of them',
    remedy: 'free some room, or move state and images in agent.toml',
    async look(host) {
      const paths = [...new Set([host.configuration.state, host.configuration.images])]
      const free = await Promise.all(paths.map(async (path) => ({ path, freeMiB: await host.freeMiB(path) })))
      const evidence = free.map(({ path, freeMiB }) => `${path} ${freeMiB ?? '?'} MiB free`).join(', ')
      return unless(
        free.every(({ freeMiB = 0 }) => freeMiB >= DISK_MIB_MIN),
        'fail',
        evidence,
      )
    },
  },
  {
    name: 'images',
    why: 'a flavor without its image gives no machine',
    remedy: 'run slipway image build debian',
    async look(host) {
      const listed = await host.run('ls', host.configuration.images)
      const names = listed?.code === 0 ? listed.text.split('\n').filter((name) => name !== '') : []
      return names.length > 0
        ? ok(`${host.configuration.images} holds ${names.length} entries`)
        : warn(`${host.configuration.images} is empty`)
    },
  },
  {
    name: 'overlay network',
    why: 'machines reach the outside through network namespaces and packet forwarding',
    remedy: 'use a kernel with network namespaces and nf_tables',
    async look(host) {
      if (!host.root) return warn('only root can try')
      const tried = await host.run('unshare', '--net', 'nft', 'add table inet slipway_doctor')
      return tried?.code === 0
        ? ok('a table was made in a fresh network namespace')
        : fail(`nft in a fresh network namespace: ${tried?.text ?? 'unshare is not installed'}`)
    },
  },
  {
    name: 'forwarding',
    why: 'without it a machine reaches nothing outside its host',
    remedy: 'sysctl -w net.ipv4.ip_forward=1, and keep it in /etc/sysctl.d',
    async look(host) {
      const value = await host.read('/proc/sys/net/ipv4/ip_forward')
      return unless(value === '1', 'warn', `net.ipv4.ip_forward = ${value}`)
    },
  },
  {
    name: 'other libvirt',
    why: 'Slipway runs a libvirtd of its own and touches no other: other machines stay as they are',
    remedy: 'nothing to do',
    async look(host) {
      const other = await host.stat('/run/libvirt/libvirt-sock')
      return ok(
        other === undefined
          ? 'no other libvirtd listens on /run/libvirt'
          : `/run/libvirt/libvirt-sock (${other.owner}:${other.group}) belongs to another libvirtd, which is left alone`,
      )
    },
  },
]
