/** What a hardened host has set: the machines' neighbours and an escaped QEMU meet these. */
import { type Check, type Finding, type HostView, ok, unless, warn } from './check.ts'

interface Setting {
  readonly name: string
  readonly file: string
  readonly good: (value: string) => boolean
  readonly why: string
  readonly remedy: string
  /** What the kernel does where the file is missing. */
  readonly absent: Finding
}

const setting = ({ name, file, good, why, remedy, absent }: Setting): Check => ({
  name,
  why,
  remedy,
  hardening: true,
  async look(host) {
    const value = await host.read(file)
    return value === undefined ? absent : unless(good(value), 'warn', `${file} is ${value}`)
  },
})

const sysctl = (key: string): string => `/proc/sys/${key.replaceAll('.', '/')}`
const atLeast = (least: number) => (value: string) => Number(value) >= least
const equals = (wanted: string) => (value: string) => value === wanted
const set = (key: string, value: number): string => `sysctl -w ${key}=${value}, and keep it in /etc/sysctl.d`

const vulnerabilities: Check = {
  name: 'CPU flaws',
  why: 'a neighbour reads through a CPU flaw that is not mitigated',
  remedy: 'install current microcode and kernel; see Documentation/admin-guide/hw-vuln of the kernel',
  hardening: true,
  async look(host) {
    const folder = '/sys/devices/system/cpu/vulnerabilities'
    const listed = await host.run('grep', '-rl', '^Vulnerable', folder)
    const open =
      listed?.code === 0 ? listed.text.split('\n').map((path) => path.slice(folder.length + 1)) : []
    return unless(
      open.length === 0,
      'warn',
      open.length === 0 ? `${folder} names none` : `vulnerable: ${open.join(', ')}`,
    )
  },
}

const confinement: Check = {
  name: 'confinement',
  why: 'AppArmor or SELinux is a second wall behind an escape; uid, seccomp and namespaces are the first',
  remedy: 'boot with AppArmor (Debian’s default kernel has it) or SELinux',
  hardening: true,
  async look(host) {
    const modules = (await host.read('/sys/kernel/security/lsm')) ?? ''
    const found = modules.split(',').filter((name) => name === 'apparmor' || name === 'selinux')
    return unless(found.length > 0, 'warn', `security modules: ${modules || 'not to be seen'}`)
  },
}

const swap: Check = {
  name: 'swap',
  why: 'what a machine kept in memory would be written to disk and outlive it',
  remedy: 'swapoff -a, or encrypt swap with a key that is thrown away',
  hardening: true,
  async look(host) {
    const areas = ((await host.read('/proc/swaps')) ?? '').split('\n').slice(1)
    return unless(
      areas.length === 0,
      'warn',
      areas.length === 0 ? 'no swap' : areas.map((line) => line.split(/\s/)[0]).join(', '),
    )
  },
}

const nested: Check = {
  name: 'nested virtualization',
  why: 'a guest that can run guests of its own reaches far more of the kernel’s code',
  remedy: 'options kvm_intel nested=0 (or kvm_amd) in /etc/modprobe.d',
  hardening: true,
  async look(host: HostView) {
    const seen = await Promise.all(
      ['intel', 'amd'].map((maker) => host.read(`/sys/module/kvm_${maker}/parameters/nested`)),
    )
    const value = seen.find((text) => text !== undefined)
    if (value === undefined) return ok('KVM is not loaded')
    return unless(value === 'N' || value === '0', 'warn', `nested = ${value}`)
  },
}

export const kernel: readonly Check[] = [
  setting({
    name: 'KSM',
    file: '/sys/kernel/mm/ksm/run',
    good: equals('0'),
    why: 'merged pages tell one machine what another holds',
    remedy: 'echo 0 > /sys/kernel/mm/ksm/run',
    absent: ok('the kernel has no KSM'),
  }),
  setting({
    name: 'SMT',
    file: '/sys/devices/system/cpu/smt/active',
    good: equals('0'),
    why: 'two machines on one core see each other through its caches',
    remedy: 'boot with nosmt, or give a host to one trust domain',
    absent: ok('the CPU shows no SMT'),
  }),
  setting({
    name: 'ptrace scope',
    file: sysctl('kernel.yama.ptrace_scope'),
    good: atLeast(1),
    why: 'an escaped process could take over others of the same user',
    remedy: set('kernel.yama.ptrace_scope', 1),
    absent: warn('the kernel has no Yama'),
  }),
  setting({
    name: 'user namespaces',
    file: sysctl('kernel.unprivileged_userns_clone'),
    good: equals('0'),
    why: 'an escaped process gets at kernel code that only root should reach',
    remedy: set('kernel.unprivileged_userns_clone', 0),
    absent: warn('the kernel has no switch for unprivileged user namespaces'),
  }),
  setting({
    name: 'io_uring',
    file: sysctl('kernel.io_uring_disabled'),
    good: atLeast(1),
    why: 'a rich source of kernel flaws that nothing here needs',
    remedy: set('kernel.io_uring_disabled', 2),
    absent: warn('the kernel has no switch for io_uring (6.6 and newer have)'),
  }),
  setting({
    name: 'unprivileged BPF',
    file: sysctl('kernel.unprivileged_bpf_disabled'),
    good: atLeast(1),
    why: 'a rich source of kernel flaws and side channels',
    remedy: set('kernel.unprivileged_bpf_disabled', 1),
    absent: ok('the kernel has no BPF system call'),
  }),
  setting({
    name: 'kernel addresses',
    file: sysctl('kernel.kptr_restrict'),
    good: atLeast(1),
    why: 'kernel addresses make an exploit easy',
    remedy: set('kernel.kptr_restrict', 1),
    absent: warn('not to be seen'),
  }),
  setting({
    name: 'kernel log',
    file: sysctl('kernel.dmesg_restrict'),
    good: atLeast(1),
    why: 'the kernel’s log tells an escaped process where it is',
    remedy: set('kernel.dmesg_restrict', 1),
    absent: warn('not to be seen'),
  }),
  vulnerabilities,
  confinement,
  swap,
  nested,
]
