/**
 * A QEMU escape, played: a shell with the rights of a machine's QEMU (uid, no capabilities, no new privileges) in its
 * mount, network and IPC namespaces. Each probe is first shown to work for the host's root, so that a refusal is a
 * refusal and not a mistake in the probe. seccomp is left out: what is refused here is refused without it.
 */
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LibvirtDriver } from '../../src/agent/drivers/libvirt/index.ts'
import { resourceName } from '../../src/agent/drivers/resource-name.ts'
import type { MachineId } from '../../src/model/index.ts'
import { type LibvirtHost, libvirtHost } from '../conformance/libvirt-host.ts'

const execute = promisify(execFile)
const never = new AbortController().signal
const PROBE_MS_MAX = 20_000

let host: LibvirtHost
let driver: LibvirtDriver
let mine: MachineId
let other: MachineId
let pids: { readonly mine: number; readonly other: number }
let uid: number
const servers: Server[] = []

beforeAll(async () => {
  host = await libvirtHost()
  driver = await host.open()
  await driver.prepare({ signal: never })
  ;[mine, other] = [host.machine(), host.machine()]
  for (const machine of [mine, other])
    await driver.clone({
      machine,
      spec: host.spec,
      image: host.image,
      disk: host.disk,
      step: () => {},
      signal: never,
    })
  pids = { mine: await host.qemuOf(mine), other: await host.qemuOf(other) }
  uid = Number(/^Uid:\s+(\d+)/m.exec(await statusOf(pids.mine))?.[1])
  await plantSecrets()
})
afterAll(async () => {
  for (const server of servers) server.close()
  await execute('perl', ['-e', `shmctl(shmget(${SHM_KEY}, 16, 0) // exit, 0, 0)`])
  await host.close()
})

const statusOf = (pid: number): Promise<string> => readFile(`/proc/${pid}/status`, 'utf8')
const dirOf = (machine: MachineId): string =>
  join(host.settings.stateDir, 'machines', resourceName(host.settings.host, machine))
/** A directory of the private libvirtd, as seen inside and out. */
const inside = { run: '/run/libvirt', lib: '/var/lib/libvirt' }
const outside = (part: 'run' | 'lib'): string => join(host.settings.runDir, 'libvirtd', part)

const SHM_KEY = 0x51a1
const TCP_PORT = 9_999
const abstractName = (): string => `slipway-probe-${process.pid}`
const pathSocket = (): string => join(host.settings.runDir, 'open.sock')

/** What a host holds that is open to every uid, so that only the machine's walls stand before it. */
async function plantSecrets(): Promise<void> {
  await mkdir(join(host.settings.runDir, 'records'))
  await writeFile(join(host.settings.runDir, 'records/one'), 'key', { mode: 0o600 })
  await writeFile(join(host.settings.runDir, 'open.txt'), 'open', { mode: 0o666 })
  await execute('perl', [
    '-e',
    `my $id = shmget(${SHM_KEY}, 16, 01666) // die; shmwrite($id, "secret", 0, 6)`,
  ])
  await listen({ port: TCP_PORT, host: '0.0.0.0' })
  await listen({ path: `\0${abstractName()}` })
  await listen({ path: pathSocket() })
  await execute('chmod', ['777', pathSocket()])
}

function listen(
  where: { readonly port: number; readonly host: string } | { readonly path: string },
): Promise<void> {
  const server = createServer((socket) => socket.on('error', () => {}).end('hello'))
  servers.push(server)
  return new Promise((resolve, reject) => server.once('error', reject).listen(where, resolve))
}

/** True if `script` succeeds; its files and processes are those of whoever runs it. */
async function works(program: string, args: readonly string[]): Promise<boolean> {
  return execute(program, args, { timeout: PROBE_MS_MAX }).then(
    () => true,
    () => false,
  )
}
const asRoot = (script: string): Promise<boolean> => works('sh', ['-ec', script])
const asMachine = (script: string): Promise<boolean> =>
  works('nsenter', [
    ...['--target', String(pids.mine), '--mount', '--net', '--ipc', '--'],
    ...['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--no-new-privs'],
    ...['--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all', '--', 'sh', '-ec', script],
  ])

const connectUnix = (path: string): string =>
  `perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) && connect(S, pack_sockaddr_un(${path})) or exit 1'`
const connectPath = (path: string): string => connectUnix(`"${path}"`)
const connectTcp = (address: string, port: number): string =>
  `perl -MSocket -e 'alarm 3; socket(S, PF_INET, SOCK_STREAM, 0) && connect(S, pack_sockaddr_in(${port}, inet_aton("${address}"))) or exit 1'`
const domainDir = (part: string): string =>
  `$(ls -d ${part}/*-${resourceName(host.settings.host, other).slice(0, 20)} | tail -1)`

interface Probe {
  readonly probe: string
  /** As the machine would try it. */
  readonly script: () => string
  /** As root does it on the host, where paths differ. */
  readonly control?: () => string
}

const reads: readonly Probe[] = [
  { probe: 'the host’s shadow file', script: () => 'cat /etc/shadow' },
  { probe: 'the host’s root directory', script: () => 'ls /root' },
  { probe: 'the host’s /tmp', script: () => `cat ${host.settings.runDir}/open.txt` },
  { probe: 'the host’s configuration', script: () => 'cat /etc/hostname' },
  { probe: 'a record with a machine’s private key', script: () => `cat ${host.settings.runDir}/records/one` },
  { probe: 'the list of machines', script: () => `ls ${host.settings.stateDir}/machines` },
  { probe: 'another machine’s disk', script: () => `head -c 1 ${dirOf(other)}/disk.qcow2` },
  { probe: 'another machine’s console', script: () => `cat ${dirOf(other)}/console.log` },
  {
    probe: 'another machine’s definition',
    script: () => `cat ${inside.run}/qemu/${resourceName(host.settings.host, other)}.xml`,
    control: () => `cat ${outside('run')}/qemu/${resourceName(host.settings.host, other)}.xml`,
  },
  {
    probe: 'another machine’s master key',
    script: () => `cat ${domainDir(`${inside.lib}/qemu`).replace('*-', 'domain-*-')}/master-key.aes`,
    control: () => `cat ${domainDir(`${outside('lib')}/qemu`).replace('*-', 'domain-*-')}/master-key.aes`,
  },
  { probe: 'another QEMU’s memory', script: () => `cat /proc/${pids.other}/maps` },
  { probe: 'another QEMU’s existence', script: () => `test -d /proc/${pids.other}` },
  { probe: 'the agent’s environment', script: () => `cat /proc/${process.pid}/environ` },
  { probe: 'the kernel’s log', script: () => 'dmesg' },
  {
    probe: 'the host’s System V memory',
    script: () =>
      `perl -e 'my $id = shmget(${SHM_KEY}, 16, 0) // exit 1; shmread($id, my $x, 0, 6) or exit 1'`,
  },
  { probe: 'the host’s interfaces', script: () => 'ip -o link | grep -q ": sw"' },
]

const writes: readonly Probe[] = [
  { probe: 'into the golden image', script: () => `: >>${host.disk}` },
  { probe: 'the golden image’s mode', script: () => `chmod 644 ${host.disk}; chmod 444 ${host.disk}` },
  { probe: 'beside the golden image', script: () => `cd $(dirname ${host.disk}); : >planted; rm planted` },
  { probe: 'into another machine’s disk', script: () => `: >>${dirOf(other)}/disk.qcow2` },
  { probe: 'over its own console log', script: () => `: >>${dirOf(mine)}/console.log` },
  { probe: 'a file of its own making', script: () => `: >${dirOf(mine)}/planted; rm ${dirOf(mine)}/planted` },
  { probe: 'another disk in its own’s place', script: () => `cd ${dirOf(mine)}; ln disk.qcow2 x; rm x` },
  {
    probe: 'anywhere in its root',
    script: () => 'for d in / /etc /run /var /dev /tmp; do : >$d/x && rm $d/x && exit 0; done; exit 1',
  },
  {
    probe: 'a control group',
    script: () => 'd=$(find /sys/fs/cgroup -name cgroup.procs | head -1); : >>"$d"',
  },
  {
    probe: 'a kernel setting',
    script: () => 'x=$(cat /proc/sys/kernel/panic); echo $x >/proc/sys/kernel/panic',
  },
  { probe: 'a device node to the host’s disk', script: () => 'cd /tmp; mknod slw-disk b 1 0; rm slw-disk' },
  { probe: 'a mount', script: () => 'mount -t tmpfs none /mnt; umount /mnt' },
]

const signals: readonly Probe[] = [
  { probe: 'another machine’s QEMU', script: () => `kill -0 ${pids.other}` },
  {
    probe: 'libvirtd',
    script: () => `kill -0 $(cat ${inside.run}/libvirtd.pid)`,
    control: () => `kill -0 $(cat ${outside('run')}/libvirtd.pid)`,
  },
  {
    probe: 'virtlogd',
    script: () => `kill -0 $(cat ${inside.run}/virtlogd.pid)`,
    control: () => `kill -0 $(cat ${outside('run')}/virtlogd.pid)`,
  },
  { probe: 'the agent', script: () => `kill -0 ${process.pid}` },
]

const connections: readonly Probe[] = [
  {
    probe: 'libvirt',
    script: () => connectPath(`${inside.run}/sock/libvirt-sock`),
    control: () => connectPath(`${outside('run')}/sock/libvirt-sock`),
  },
  {
    probe: 'libvirt, to read',
    script: () => connectPath(`${inside.run}/sock/libvirt-sock-ro`),
    control: () => connectPath(`${outside('run')}/sock/libvirt-sock-ro`),
  },
  {
    probe: 'virtlogd',
    script: () => connectPath(`${inside.run}/virtlogd-sock`),
    control: () => connectPath(`${outside('run')}/virtlogd-sock`),
  },
  {
    probe: 'another machine’s console',
    script: () => connectPath(`${inside.run}/console/2`),
    control: () => connectPath(`${outside('run')}/console/2`),
  },
  {
    probe: 'its own console from outside',
    script: () => connectPath(`${inside.run}/console/1`),
    control: () => connectPath(`${outside('run')}/console/1`),
  },
  { probe: 'a socket of the host that is open to all', script: () => connectPath(pathSocket()) },
  { probe: 'an abstract socket of the host', script: () => connectUnix(`"\\0${abstractName()}"`) },
  { probe: 'the host on its loopback', script: () => connectTcp('127.0.0.1', TCP_PORT) },
  { probe: 'the host on an uplink', script: () => connectTcp('100.64.0.5', TCP_PORT) },
  {
    probe: 'another network namespace',
    script: () => `nsenter --net=/proc/${process.pid}/ns/net true`,
  },
]

describe.each([
  ['reads', reads],
  ['writes', writes],
  ['signals', signals],
  ['connects to', connections],
])('a machine’s uid never %s', (_, probes) => {
  test.each(probes)('$probe', async ({ script, control = script }) => {
    expect(await asRoot(control()), `as root: ${control()}`).toBe(true)
    expect(await asMachine(script()), `as ${uid}: ${script()}`).toBe(false)
  })
})

describe('the probes', () => {
  test('can succeed as the machine where they should', async () => {
    expect(
      await asMachine(`test -r ${host.disk} && : >>${dirOf(mine)}/disk.qcow2 && test -d /proc/${pids.mine}`),
    ).toBe(true)
  })
})

describe('a machine’s QEMU', () => {
  test('has a uid of its own and no way up', async () => {
    const [status, neighbour] = [await statusOf(pids.mine), await statusOf(pids.other)]
    expect(status).toMatch(/^Uid:\s+(\d+)\s+\1\s+\1\s+\1$/m)
    expect(/^Uid:.*/m.exec(status)?.[0]).not.toBe(/^Uid:.*/m.exec(neighbour)?.[0])
    expect(status).toMatch(new RegExp(`^Gid:\\s+${uid}\\s`, 'm'))
    expect(status).toMatch(new RegExp(`^Groups:\\s+${uid}\\s*$`, 'm'))
    for (const set of ['CapEff', 'CapPrm', 'CapInh', 'CapAmb'])
      expect(status).toMatch(new RegExp(`^${set}:\\s+0{16}$`, 'm'))
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m)
    expect(status).toMatch(/^Seccomp:\s+2$/m)
  })
  test('sees six devices at most, and of the host’s files /usr alone', async () => {
    const { stdout: devices } = await execute('nsenter', ['-t', String(pids.mine), '-m', 'ls', '/dev'])
    expect(devices.trim().split('\n')).toEqual(['full', 'null', 'random', 'urandom', 'zero'])
    const mounts = (await readFile(`/proc/${pids.mine}/mounts`, 'utf8')).trim().split('\n')
    const points = mounts
      .map((line) => line.split(' ')[1] ?? '')
      .filter((point) => !point.startsWith('/sys/fs/cgroup'))
    const { runDir, stateDir, readOnlyDirs } = host.settings
    expect(new Set(points)).toEqual(
      new Set([
        ...[
          '/',
          '/usr',
          '/usr/local',
          '/dev',
          '/proc',
          '/sys',
          '/etc',
          `${stateDir}/machines`,
          `${stateDir}/templates`,
          ...readOnlyDirs,
        ],
        ...['/run/libvirt', '/var/lib/libvirt', '/var/log/libvirt', '/var/cache/libvirt'],
      ]),
    )
    expect(points.some((point) => point.startsWith(runDir))).toBe(false)
    for (const point of ['/', '/usr', '/etc', `${stateDir}/templates`, ...readOnlyDirs])
      expect(mounts.find((line) => line.split(' ')[1] === point)).toMatch(/^\S+ \S+ \S+ ro,/)
  })
  test('sits in a network namespace with nothing in it', async () => {
    const { stdout } = await execute('nsenter', ['-t', String(pids.mine), '-n', 'ip', '-br', 'link'])
    expect(stdout).toMatch(/^lo\s+DOWN/)
    expect(stdout.trim().split('\n')).toHaveLength(1)
  })
  test('may hold so much memory and no more', async () => {
    const cgroup = (await readFile(`/proc/${pids.mine}/cgroup`, 'utf8')).split('\n')
    const path = cgroup
      .map((line) => line.split(':'))
      .find(([, controllers]) => controllers === 'memory' || controllers === '')?.[2]
    const limits = await Promise.all(
      [`/sys/fs/cgroup/memory${path}/memory.limit_in_bytes`, `/sys/fs/cgroup${path}/memory.max`].map((file) =>
        readFile(file.replace(/\/(vcpu|emulator)[^/]*\//, '/'), 'utf8').catch(() => ''),
      ),
    )
    expect(limits.map((limit) => limit.trim())).toContain(
      String((host.spec.memoryMiB + 256 + 128) * 1024 * 1024),
    )
  })
})
