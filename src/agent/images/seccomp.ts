/**
 * A filter of system calls, for a process that reads one file, writes another and says what it saw: a network, other
 * processes, mounts, names of files and the kernel's rarer doors are closed to it. It is the program that seccomp(2)
 * takes, made here so that nothing needs to be installed; what is not named is allowed, as Node's own needs change.
 */

/** Numbers: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h. The second is absent where arm64 has no such call. */
const CLOSED: readonly (readonly [name: string, x64: number, arm64?: number])[] = [
  ['socket', 41, 198],
  ['connect', 42, 203],
  ['accept', 43, 202],
  ['sendto', 44, 206],
  ['sendmsg', 46, 211],
  ['bind', 49, 200],
  ['listen', 50, 201],
  ['ptrace', 101, 117],
  ['process_vm_readv', 310, 270],
  ['process_vm_writev', 311, 271],
  ['kcmp', 312, 272],
  ['pidfd_open', 434, 434],
  ['pidfd_getfd', 438, 438],
  ['mount', 165, 40],
  ['umount2', 166, 39],
  ['pivot_root', 155, 41],
  ['chroot', 161, 51],
  ['setns', 308, 268],
  ['unshare', 272, 97],
  ['open_tree', 428, 428],
  ['move_mount', 429, 429],
  ['fsopen', 430, 430],
  ['fsconfig', 431, 431],
  ['fsmount', 432, 432],
  ['mount_setattr', 442, 442],
  ['symlink', 88],
  ['link', 86],
  ['rename', 82],
  ['unlink', 87],
  ['mkdir', 83],
  ['mknod', 133],
  ['chmod', 90],
  ['fchmod', 91, 52],
  ['chown', 92],
  ['fchown', 93, 55],
  ['lchown', 94],
  ['symlinkat', 266, 36],
  ['linkat', 265, 37],
  ['renameat', 264, 38],
  ['renameat2', 316, 276],
  ['unlinkat', 263, 35],
  ['mkdirat', 258, 34],
  ['mknodat', 259, 33],
  ['fchmodat', 268, 53],
  ['fchownat', 260, 54],
  ['name_to_handle_at', 303, 264],
  ['open_by_handle_at', 304, 265],
  ['fanotify_init', 300, 262],
  ['bpf', 321, 280],
  ['perf_event_open', 298, 241],
  ['userfaultfd', 323, 282],
  ['io_uring_setup', 425, 425],
  ['io_uring_enter', 426, 426],
  ['io_uring_register', 427, 427],
  ['memfd_create', 319, 279],
  ['shmget', 29, 194],
  ['msgget', 68, 186],
  ['semget', 64, 190],
  ['mq_open', 180, 180],
  ['add_key', 248, 217],
  ['request_key', 249, 218],
  ['keyctl', 250, 219],
  ['personality', 135, 92],
  ['syslog', 103, 116],
  ['acct', 163, 89],
  ['quotactl', 179, 60],
  ['init_module', 175, 105],
  ['finit_module', 313, 273],
  ['delete_module', 176, 106],
  ['kexec_load', 246, 104],
  ['kexec_file_load', 320, 294],
  ['swapon', 167, 224],
  ['swapoff', 168, 225],
  ['reboot', 169, 142],
]

interface Machine {
  /** AUDIT_ARCH_…, include/uapi/linux/audit.h. */
  readonly audit: number
  readonly numberOf: (call: (typeof CLOSED)[number]) => number | undefined
  readonly clone: number
  /** The same as a 32-bit process of the machine may call are further numbers. */
  readonly x32: boolean
  readonly prctl: number
}

const machines: ReadonlyMap<string, Machine> = new Map([
  ['x64', { audit: 0xc000_003e, numberOf: ([, x64]) => x64, clone: 56, x32: true, prctl: 157 }],
  ['arm64', { audit: 0xc000_00b7, numberOf: ([, , arm64]) => arm64, clone: 220, x32: false, prctl: 167 }],
])

const CLONE3 = 435
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const NEW_NAMESPACE = 0x7e02_0000
const X32_BIT = 0x4000_0000

const LOAD = 0x20
const EQUAL = 0x15
const AT_LEAST = 0x35
const ANY_BIT = 0x45
const RETURN = 0x06
/** Offsets in struct seccomp_data. */
const NUMBER = 0
const ARCH = 4
const FIRST_ARGUMENT = 16

const ALLOW = 0x7fff_0000
const KILL_PROCESS = 0x8000_0000
const errno = (number: number): number => 0x0005_0000 | number
const EPERM = 1
const ENOSYS = 38

/** Where a jump goes: to one of the ends, or on. */
type Target = 'next' | 'allow' | 'deny' | 'unknown' | 'kill'
type Line = readonly [code: number, value: number, yes?: Target, no?: Target]

/** The filter for this machine, and the number of prctl(2) there; undefined for a machine that is not known. */
export function seccompFilter(
  arch: string,
): { readonly program: Buffer; readonly prctl: number } | undefined {
  const machine = machines.get(arch)
  if (machine === undefined) return undefined
  const numbers = CLOSED.flatMap((call) => machine.numberOf(call) ?? [])
  const lines: readonly Line[] = [
    [LOAD, ARCH],
    [EQUAL, machine.audit, 'next', 'kill'],
    [LOAD, NUMBER],
    ...(machine.x32 ? [[AT_LEAST, X32_BIT, 'deny', 'next'] as const] : []),
    ...numbers.map((number) => [EQUAL, number, 'deny', 'next'] as const),
    // Its flags lie in memory, where no filter sees them: the C library falls back to clone.
    [EQUAL, CLONE3, 'unknown', 'next'],
    [EQUAL, machine.clone, 'next', 'allow'],
    [LOAD, FIRST_ARGUMENT],
    [ANY_BIT, NEW_NAMESPACE, 'deny', 'allow'],
  ]
  return { program: assemble(lines), prctl: machine.prctl }
}

const ENDS: readonly (readonly [Target, number])[] = [
  ['allow', ALLOW],
  ['deny', errno(EPERM)],
  ['unknown', errno(ENOSYS)],
  ['kill', KILL_PROCESS],
]

/** struct sock_filter: code, steps to skip if so and if not, value. */
function assemble(lines: readonly Line[]): Buffer {
  const bytes = Buffer.alloc((lines.length + ENDS.length) * 8)
  const steps = (from: number, target: Target = 'next'): number =>
    target === 'next' ? 0 : lines.length + ENDS.findIndex(([name]) => name === target) - from - 1
  const put = (at: number, code: number, value: number, jumps: readonly [number, number]): void => {
    bytes.writeUInt16LE(code, at * 8)
    bytes.writeUInt8(jumps[0], at * 8 + 2)
    bytes.writeUInt8(jumps[1], at * 8 + 3)
    bytes.writeUInt32LE(value, at * 8 + 4)
  }
  for (const [at, [code, value, yes, no]] of lines.entries())
    put(at, code, value, [steps(at, yes), steps(at, no)])
  for (const [index, [, value]] of ENDS.entries()) put(lines.length + index, RETURN, value, [0, 0])
  return bytes
}
