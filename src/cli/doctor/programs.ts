/** What must be installed. */
import { type Check, fail, type HostView, ok, unless, warn } from './check.ts'

const APT = 'run bin/bootstrap, or apt install'
const QEMU = 'qemu-system-x86_64'

/** The first line that a program says of its version. */
const versionOf = async (host: HostView, program: string, flag = '--version'): Promise<string | undefined> =>
  (await host.run(program, flag))?.text.split('\n')[0]

const installed = (program: string, debian: string, why: string, flag?: string): Check => ({
  name: program,
  why,
  remedy: `${APT} ${debian}`,
  async look(host) {
    const version = await versionOf(host, program, flag)
    return version === undefined ? fail('not installed') : ok(version)
  },
})

/** `10.0.2` in a sentence → [10, 0, 2]. */
const numbers = (text: string): readonly number[] =>
  (/\d+\.\d+(\.\d+)?/.exec(text)?.[0] ?? '0').split('.').map(Number)

export const programs: readonly Check[] = [
  {
    name: 'node',
    why: 'Slipway is written for Node 24',
    remedy: 'run npm ci, or set SLIPWAY_NODE',
    look: async () => unless(Number(process.versions.node.split('.')[0]) >= 24, 'fail', process.version),
  },
  {
    name: QEMU,
    why: 'it runs the machines',
    remedy: `${APT} qemu-system-x86, on Debian 12 from backports`,
    async look(host) {
      const version = await versionOf(host, QEMU)
      if (version === undefined) return fail('not installed')
      return unless((numbers(version)[0] ?? 0) >= 8, 'fail', version)
    },
  },
  {
    name: 'read-only shared memory',
    why: 'warm clones map their template’s memory read-only; without QEMU’s "rom" property machines only boot cold',
    remedy: 'install QEMU 9.1 or newer (Debian 13, or Debian 12 backports)',
    async look(host) {
      const help = await host.run(QEMU, '-object', 'memory-backend-file,help')
      if (help === undefined) return fail('QEMU is not installed')
      const has = /^\s*rom=/m.test(help.text)
      return unless(
        has,
        'warn',
        has ? 'memory-backend-file has the property rom' : 'memory-backend-file has no property rom',
      )
    },
  },
  {
    name: 'libvirtd',
    why: 'it supervises QEMU; Slipway starts one of its own',
    remedy: `${APT} libvirt-daemon libvirt-daemon-log libvirt-daemon-driver-qemu`,
    async look(host) {
      const version = await versionOf(host, 'libvirtd')
      if (version === undefined) return fail('not installed')
      return unless((numbers(version)[0] ?? 0) >= 9, 'fail', version)
    },
  },
  installed('virtlogd', 'libvirt-daemon-log', 'it bounds what a guest can write to its console log'),
  installed('qemu-img', 'qemu-utils', 'it makes each machine’s copy-on-write disk'),
  installed('nft', 'nftables', 'it closes the network around each machine'),
  installed('ip', 'iproute2', 'it makes the machines’ network namespaces', '-V'),
  installed('unshare', 'util-linux', 'Slipway’s libvirtd runs in namespaces of its own'),
  {
    name: 'ssh',
    why: 'slipway ssh starts it; run and exec do without',
    remedy: `${APT} openssh-client`,
    async look(host) {
      const version = await versionOf(host, 'ssh', '-V')
      return version === undefined ? warn('not installed') : ok(version)
    },
  },
  {
    name: 'image building',
    why: 'slipway image build makes images from Debian’s packages; images can be brought from elsewhere too',
    remedy: `${APT} mmdebstrap e2fsprogs mtools fdisk xz-utils gcc libc6-dev libsodium-dev`,
    async look(host) {
      const asked = ['mmdebstrap', 'mke2fs', 'mformat', 'sfdisk', 'xz', 'cc']
      const answers = await Promise.all(asked.map((program) => host.run(program, '--version')))
      const missing = asked.filter((_, at) => answers[at] === undefined)
      return missing.length === 0
        ? ok(`${asked.join(', ')} are installed`)
        : warn(`missing: ${missing.join(', ')}`)
    },
  },
]
