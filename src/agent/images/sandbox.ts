/**
 * Runs the inspector with nothing to lose: a user id of its own, no capability, no new privileges, a filter of system
 * calls, no network, no process and no file of the host but `/usr`, its own program and the files it is handed; bounded
 * in memory, processor time, files and what it writes. It ends with its parent, and all of it with its first process.
 *
 * Files are handed over as O_PATH descriptors: this process, which is root, names them and never opens them. The
 * inspector's user opens them, with the right to read any file (CAP_DAC_READ_SEARCH) that it then gives up for good.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { assert, SlipwayError } from '../../model/index.ts'
import { isMissing } from '../durable-file.ts'
import { eachLine } from './recipe-run.ts'
import { seccompFilter } from './seccomp.ts'

/** Of address space: V8 reserves 1.1 GiB before it runs anything; what it can use is the rest. */
const ADDRESS_BYTES_MAX = 1536 * 1024 * 1024
const HEAP_MIB_MAX = 64
const FILES_MAX = 32
/** Threads, of which Node has a dozen. */
const THREADS_MAX = 64
const CPU_S_MIN = 60
/** What even a busy machine copies and hashes in a second of processor time. */
const BYTES_PER_CPU_S = 20 * 1024 * 1024

export interface Inspector {
  readonly role: readonly string[]
  readonly uid: number
  /** An empty folder that its root is mounted on, seen by nobody else. */
  readonly mountPoint: string
  /** O_PATH. It reads this one. */
  readonly source: FileHandle
  /** O_PATH, its user's. It reads and writes this one. */
  readonly target?: FileHandle
  /** How much there is to read and, with `target`, to write. */
  readonly bytes: number
  readonly said: (line: string) => void
  readonly signal: AbortSignal
  /** What runs in it, and the folder it may see; the inspector's own if absent. */
  readonly program?: Program
}

interface Program {
  readonly folder: string
  readonly file: string
}

/** Resolves once all its processes are gone, with how it ended. Throws `missing_program`, or the signal's reason. */
export async function runInspector(inspector: Inspector): Promise<string> {
  const { source, target, said, signal } = inspector
  signal.throwIfAborted()
  const [program, ...args] = command(inspector)
  const child = spawn(program, args, {
    cwd: '/',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', NODE_NO_WARNINGS: '1' },
    stdio: ['ignore', 'pipe', 'pipe', source.fd, ...(target === undefined ? [] : [target.fd])],
    signal,
    killSignal: 'SIGKILL',
  })
  const complaints: string[] = []
  const ended = new Promise<string | Error>((resolve) => {
    child.once('error', resolve)
    child.once('close', (code, name) => resolve(name ?? `code ${code}`))
  })
  const [end] = await Promise.all([
    ended,
    linesOf(child, 'stdout', said),
    linesOf(child, 'stderr', (line) => {
      if (complaints.length < COMPLAINTS_MAX && line !== '') complaints.push(line)
    }),
  ])
  signal.throwIfAborted()
  if (isMissing(end)) throw new SlipwayError('missing_program', { program, remedy: PACKAGES })
  if (end instanceof Error) throw end
  return end === 'code 0' ? '' : [end, ...complaints].join('; ')
}

/** Both are pipes, whatever the type says of a child with further descriptors. */
async function linesOf(
  child: ChildProcess,
  name: 'stdout' | 'stderr',
  take: (line: string) => void,
): Promise<void> {
  const stream = child[name]
  assert(stream !== null, name)
  await eachLine(stream, take)
}

const COMPLAINTS_MAX = 3
const PACKAGES = 'apt-get install util-linux mount'

function command(inspector: Inspector): readonly [string, ...string[]] {
  const { role, uid, mountPoint, target, bytes } = inspector
  const { folder, file } = inspector.program ?? programOf(import.meta.url)
  const limits = [
    `--as=${ADDRESS_BYTES_MAX}`,
    `--cpu=${CPU_S_MIN + Math.ceil(bytes / BYTES_PER_CPU_S)}`,
    `--fsize=${target === undefined ? 0 : bytes}`,
    `--nofile=${FILES_MAX}`,
    `--nproc=${THREADS_MAX}`,
    '--core=0',
  ]
  const become = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--no-new-privs']
  const reader = ['--bounding-set', '--inh-caps', '--ambient-caps'].map(
    (set) => `${set}=-all,+dac_read_search`,
  )
  return [
    ...(['setpriv', '--pdeathsig', 'KILL'] as const),
    ...['unshare', '--mount', '--net', '--pid', '--ipc', '--uts', '--propagation', 'private'],
    ...['--fork', '--kill-child=SIGKILL', '--'],
    ...['sh', '-c', ENCLOSE, 'enclose', mountPoint, folder, process.execPath],
    ...['prlimit', ...limits, '--'],
    ...['setpriv', ...become, ...reader, '--'],
    ...['sh', '-c', target === undefined ? OPEN : OPEN_BOTH, 'open'],
    ...['setpriv', '--inh-caps=-all', '--ambient-caps=-all', '--'],
    ...filtered(),
    ...['/node', `--max-old-space-size=${HEAP_MIB_MAX}`, '--disallow-code-generation-from-strings'],
    ...[join('/program', file), ...role],
  ]
}

/**
 * Nothing of ours is on these paths before `pivot_root`; after it, nothing else is. The shell stays, as the first process:
 * it dies with its parent, and all others with it, where a process that changed its user would not (prctl(2)).
 */
const ENCLOSE = `set -eu
umask 022
root=$1 program=$2 node=$3
shift 3
mount -t tmpfs -o mode=755,size=64k,nosuid,nodev slipway "$root"
cd "$root"
mkdir usr proc dev program old
: >node
mount --bind /usr usr
mount -o remount,bind,ro,nosuid,nodev usr
mount -t tmpfs -o mode=755,size=4k,ro slipway usr/local
for link in bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$link" ]; then ln -s "usr/$link" "$link"; fi
done
mount -t tmpfs -o mode=755,size=4k,nosuid,noexec slipway dev
mknod -m 666 dev/null c 1 3
mount -o remount,ro,nosuid,noexec dev
mount --bind "$program" program
mount -o remount,bind,ro,nosuid,nodev,noexec program
mount --bind "$node" node
mount -o remount,bind,ro,nosuid,nodev node
mount -t proc -o nosuid,nodev,noexec proc proc
pivot_root . old
cd /
umount -l old
rmdir old
mount -o remount,ro,nosuid,nodev /
"$@"
exit $?
`
const OPEN = 'exec "$@" 4</proc/self/fd/3 3<&-'
const OPEN_BOTH = 'exec "$@" 5<>/proc/self/fd/4 4</proc/self/fd/3 3<&-'

/** Perl comes with every Debian and can call the kernel by number; without it, or on another machine, there is no filter. */
function filtered(): readonly string[] {
  const filter = seccompFilter(process.arch)
  if (filter === undefined) return []
  const { program, prctl } = filter
  return ['sh', '-c', IF_PERL, 'filter', FILTER, `${prctl}`, program.toString('hex')]
}

const IF_PERL = 'if [ -x /usr/bin/perl ]; then exec perl -e "$@"; else shift 3; exec "$@"; fi'
/** prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, struct sock_fprog *), then the program. */
const FILTER = `my $prctl = 0 + shift;
my $filter = pack 'H*', shift;
my $fprog = pack 'S x![P] P', length($filter) / 8, $filter;
syscall($prctl, 22, 2, $fprog, 0, 0) == 0 or die "seccomp: $!";
exec { $ARGV[0] } @ARGV or die "exec: $!"`

/** Where the inspector's program lies: beside the bundle, or in the source. */
function programOf(url: string): Program {
  const folder = import.meta.dirname
  return { folder, file: url.endsWith('.cjs') ? 'inspector.cjs' : 'inspector/main.ts' }
}
