/**
 * The minimal root a daemon of ours starts in, and with it every QEMU: nothing of the host but `/usr`, kernel file
 * systems and the directories named here, each under the path it has outside. A QEMU escape finds no host file, no
 * other machine's process (hidepid), no System V memory, and in its empty network namespace no socket.
 *
 * Each daemon gets a fresh root, made of mounts that vanish with the last process that uses them; what must survive a
 * daemon lies in the directories bound into it.
 */
export interface Enclosure {
  /** `/run/netns/…`: empty, loopback down. */
  readonly networkNamespace: string
  /** An empty directory that the new root is mounted on, seen by nobody else. */
  readonly mountPoint: string
  /** Directory outside → path inside, writable to who owns its files. */
  readonly writable: ReadonlyMap<string, string>
  readonly readOnly: ReadonlyMap<string, string>
  /** Whether `/dev/kvm` is there. */
  readonly kvm: boolean
}

/**
 * Runs in a mount namespace of its own. Arguments: mount point, `kvm` or `no-kvm`, then OPTIONS OUTSIDE INSIDE for each
 * directory, `--`, and the program that the shell becomes. `/dev/kvm` is open to all in there: all that is in there is
 * ours, and a machine's uid belongs to no group. `/usr/local` is the one part of `/usr` that may hold the host's own.
 */
const SCRIPT = `set -eu
umask 022
root=$1 kvm=$2
shift 2
mount -t tmpfs -o mode=755,size=1m,nosuid,nodev slipway "$root"
cd "$root"
mkdir usr dev proc sys old
mount --bind /usr usr
mount -o remount,bind,ro,nosuid,nodev usr
mount -t tmpfs -o mode=755,size=4k,ro slipway usr/local
for link in bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$link" ]; then ln -s "usr/$link" "$link"; fi
done
mount -t tmpfs -o mode=755,size=64k,nosuid,noexec slipway dev
mkdir dev/net
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 600 dev/net/tun c 10 200
if [ "$kvm" = kvm ]; then mknod -m 666 dev/kvm c 10 232; fi
mount -o remount,ro,nosuid,noexec dev
mount -t proc -o hidepid=invisible,nosuid,nodev,noexec proc proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
while [ "$1" != -- ]; do
  mkdir -p "./$3"
  mount --bind "$2" "./$3"
  mount -o "remount,bind,nosuid,nodev,noexec,$1" "./$3"
  shift 3
done
shift
ln -s ../run var/run
pivot_root . old
cd /
umount -l old
rmdir old
mount -o remount,ro,nosuid,nodev /
exec "$@"
`

/** Program and arguments that run `command` enclosed; the process keeps its id all the way. */
export function enclosed(enclosure: Enclosure, command: readonly string[]): readonly [string, ...string[]] {
  const directories = (mode: 'rw' | 'ro', map: ReadonlyMap<string, string>): readonly string[] =>
    [...map].flatMap(([outside, inside]) => [mode, outside, inside])
  return [
    'nsenter',
    `--net=${enclosure.networkNamespace}`,
    '--',
    'unshare',
    '--mount',
    '--ipc',
    '--propagation',
    'private',
    '--',
    'sh',
    '-c',
    SCRIPT,
    'enclosure',
    enclosure.mountPoint,
    enclosure.kvm ? 'kvm' : 'no-kvm',
    ...directories('rw', enclosure.writable),
    ...directories('ro', enclosure.readOnly),
    '--',
    ...command,
  ]
}
