/** Disk files that mean harm, or are broken: each made in a folder of the test's, none of them ever to be opened by QEMU or root. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DATA, dataQcow2 } from '../../src/agent/images/qcow2-sample.ts'

export interface Hostile {
  readonly name: string
  /** What the refusal says. */
  readonly says: string | RegExp
  /** Makes it in `dir` and gives its path. */
  readonly make: (dir: string) => string
}

const MIB = 1024 * 1024
const GIB = 1024 * MIB
const COPIED = 1n << 63n

type Spoil = (view: DataView) => void
const u16 =
  (at: number, value: number): Spoil =>
  (view) =>
    view.setUint16(at, value)
const u32 =
  (at: number, value: number): Spoil =>
  (view) =>
    view.setUint32(at, value)
const u64 =
  (at: number, value: bigint): Spoil =>
  (view) =>
    view.setBigUint64(at, value)
const l2 = (index: number): number => DATA.secondTable + index * 8

const put = (dir: string, bytes: Uint8Array | string): string => {
  const path = join(dir, 'disk.qcow2')
  writeFileSync(path, bytes)
  return path
}

/** A whole file with one thing wrong. */
const spoilt = (name: string, says: string | RegExp, ...spoil: readonly Spoil[]): Hostile => ({
  name,
  says,
  make: (dir) => {
    const bytes = dataQcow2()
    for (const each of spoil) each(new DataView(bytes.buffer))
    return put(dir, bytes)
  },
})

const cut = (name: string, bytes: number, says: string | RegExp): Hostile => ({
  name,
  says,
  make: (dir) => put(dir, dataQcow2().subarray(0, bytes)),
})

/** By qemu-img, as whoever makes one would. `DIR` is the folder. */
const made = (name: string, says: string | RegExp, ...commands: readonly string[]): Hostile => ({
  name,
  says,
  make: (dir) => {
    for (const command of commands) execFileSync('sh', ['-ec', command], { cwd: dir, stdio: 'pipe' })
    return join(dir, 'disk.qcow2')
  },
})

/** A header as it should be, and a file that only seems to be as large. */
const hollow = (name: string, bytes: number, says: string | RegExp, ...spoil: readonly Spoil[]): Hostile => ({
  name,
  says,
  make: (dir) => {
    const path = spoilt(name, says, ...spoil).make(dir)
    truncateSync(path, bytes)
    return path
  },
})

const headers: readonly Hostile[] = [
  spoilt('a backing file', 'it names a backing file', u64(8, 0x200n), u32(16, 11)),
  spoilt('the length of a backing name alone', 'it names a backing file', u32(16, 9)),
  spoilt('an external data file', 'it keeps its data in another file', u64(72, 4n)),
  spoilt('the name of a data file', 'it has a header extension 0x44415441', u32(104, 0x4441_5441)),
  spoilt('the name of a backing format', /header extension 0xe2792aca/, u32(104, 0xe2792aca)),
  spoilt('encryption by AES', 'it is encrypted', u32(32, 1)),
  spoilt('encryption by LUKS', 'it is encrypted', u32(32, 2)),
  spoilt('an encryption header', /header extension 0x537be77/, u32(104, 0x0537_be77)),
  spoilt('snapshots', 'it holds snapshots', u32(60, 1), u64(64, 0x10000n)),
  spoilt('a snapshot table of millions', 'it holds snapshots', u32(60, 0xffff_ffff)),
  spoilt('the dirty bit', 'it was not closed (dirty bit)', u64(72, 1n)),
  spoilt('the corrupt bit', 'it is marked corrupt', u64(72, 2n)),
  spoilt('a compression type', 'it has a compression type of its own', u64(72, 8n)),
  spoilt('extended second tables', 'it has extended second tables', u64(72, 16n)),
  spoilt('a feature of the future', 'it needs a feature that is not known', u64(72, 1n << 40n)),
  spoilt('bitmaps', 'it has bitmaps or a raw external file', u64(88, 1n)),
  spoilt('version 2', 'it is qcow2 version 2, not 3', u32(4, 2)),
  spoilt('version 4', 'it is qcow2 version 4, not 3', u32(4, 4)),
  spoilt('clusters of 256 bytes', 'its clusters are of 2^8 bytes', u32(20, 8)),
  spoilt('clusters of 4 GiB', 'its clusters are of 2^32 bytes', u32(20, 32)),
  spoilt('a disk of nothing', 'its disk is empty or too large', u64(24, 0n)),
  spoilt('a disk of 16 EiB', 'its disk is empty or too large', u64(24, 2n ** 64n - 512n)),
  spoilt('a first table of 4 billion entries', 'its first table has a wrong size', u32(36, 0xffff_ffff)),
  spoilt('a first table beyond the file', 'its first table lies outside the file', u64(40, 1n << 62n)),
  spoilt('a reference table of 256 TiB', 'its reference table has a wrong size', u32(56, 0xffff_ffff)),
  spoilt('reference counts of 128 bits', 'its reference counts are too wide', u32(96, 7)),
  spoilt('a header of 4 GiB', 'its header has a wrong length', u32(100, 0xffff_fff8)),
  spoilt('extensions in a circle', 'its header extensions do not end', u32(108, 0xffff_fff8)),
]

const tables: readonly Hostile[] = [
  spoilt(
    'a second table that is its own data',
    /where something else does/,
    u64(l2(0), BigInt(DATA.secondTable)),
  ),
  spoilt(
    'a first table that is its own second',
    /where something else does/,
    u64(DATA.firstTable, BigInt(DATA.firstTable) | COPIED),
  ),
  spoilt(
    'two clusters of the disk in one',
    /where something else does/,
    u64(l2(1), BigInt(DATA.clusters[0]) | COPIED),
  ),
  spoilt('data that is the header', /where something else does/, u64(DATA.firstTable, 1n << 63n)),
  spoilt('data beyond the file', 'a data cluster lies outside the file', u64(l2(0), 1n << 50n)),
  spoilt(
    'data between clusters',
    'a data cluster does not begin where a cluster does',
    u64(l2(0), BigInt(DATA.clusters[0]) + 512n),
  ),
  spoilt('data beyond the disk', 'it has data beyond the end of its disk', u64(24, 32n * BigInt(MIB))),
  spoilt('a thousand clusters of the disk in one compressed', 'it has compressed clusters', (view) => {
    for (let at = 0; at < 1024; at++) view.setBigUint64(l2(at), BigInt(DATA.clusters[0]) | (1n << 62n))
  }),
  spoilt(
    'a cluster that counts twice',
    'a cluster is referred to more than once',
    u16(DATA.referenceBlock + 10, 2),
  ),
  spoilt(
    'a cluster that does not count',
    'it has clusters that are not counted',
    u16(DATA.referenceBlock + 10, 0),
  ),
  spoilt(
    'a count that leads to data',
    /where something else does/,
    u64(DATA.referenceTable, BigInt(DATA.clusters[0])),
  ),
  spoilt('no counts at all', 'it has clusters that are not counted', u64(DATA.referenceTable, 0n)),
]

const sizes: readonly Hostile[] = [
  cut('nothing', 0, 'it has 0 bytes'),
  cut('half a header', 60, 'it is too short for a qcow2 header'),
  cut('a header alone', 4096, /outside the file/),
  cut('a file cut off in its tables', DATA.firstTable + 8, /outside the file/),
  cut('a file cut off in its data', DATA.bytes - DATA.clusterBytes - 1, /outside the file/),
  hollow('a file of 300 GiB', 300 * GIB, `it has ${300 * GIB} bytes`),
  hollow('50 GiB that are not there', 50 * GIB, 'most of it is room that nothing refers to'),
  hollow('50 GiB in clusters of 512 bytes', 50 * GIB, /clusters|size|outside/, u32(20, 9)),
  // As large as QEMU allows, in a hole, for a disk that needs it.
  hollow(
    'a first table of 32 MiB in a hole',
    GIB,
    /nothing refers to|counted|where/,
    u32(36, 4 * MIB),
    u64(40, 0x1000_0000n),
  ),
  made(
    'a bomb of zeros, compressed',
    'it has compressed clusters',
    'truncate -s 4G zeros; printf x | dd of=zeros conv=notrunc status=none',
    'qemu-img convert -c -O qcow2 zeros disk.qcow2',
  ),
]

const formats: readonly Hostile[] = [
  made(
    'a backing file of the host',
    'it names a backing file',
    'qemu-img create -q -f qcow2 -b /etc/shadow -F raw disk.qcow2 64M',
  ),
  made(
    'a chain of two that back each other',
    'it names a backing file',
    'qemu-img create -q -f qcow2 a.qcow2 1M',
    'qemu-img create -q -f qcow2 -b a.qcow2 -F qcow2 disk.qcow2',
    'qemu-img rebase -u -b disk.qcow2 -F qcow2 a.qcow2',
  ),
  made(
    'a chain of thirty',
    'it names a backing file',
    'qemu-img create -q -f qcow2 0.qcow2 1M',
    'i=0; while [ $i -lt 30 ]; do qemu-img create -q -f qcow2 -b $i.qcow2 -F qcow2 $((i+1)).qcow2; i=$((i+1)); done; mv 30.qcow2 disk.qcow2',
  ),
  made(
    'a backing file written as JSON',
    'it names a backing file',
    `qemu-img create -q -f qcow2 -u -b 'json:{"driver":"file","filename":"/etc/shadow"}' -F raw disk.qcow2 64M`,
  ),
  made(
    'an external data file of the host',
    'it keeps its data in another file',
    'qemu-img create -q -f qcow2 -o data_file=data,data_file_raw=on disk.qcow2 64M',
  ),
  made(
    'a snapshot',
    'it holds snapshots',
    'qemu-img create -q -f qcow2 disk.qcow2 64M',
    'qemu-img snapshot -c one disk.qcow2',
  ),
  made(
    'zstd',
    'it has a compression type of its own',
    'qemu-img create -q -f qcow2 -o compression_type=zstd disk.qcow2 64M',
  ),
  made(
    'an image of version 2',
    'it is qcow2 version 2, not 3',
    'qemu-img create -q -f qcow2 -o compat=0.10 disk.qcow2 64M',
  ),
  made('VMDK', 'it is no qcow2 file', 'qemu-img create -q -f vmdk disk.qcow2 64M'),
  made('VHDX', 'it is no qcow2 file', 'qemu-img create -q -f vhdx disk.qcow2 64M'),
  made('VDI', 'it is no qcow2 file', 'qemu-img create -q -f vdi disk.qcow2 64M'),
  made(
    'QED with a backing file',
    'it is no qcow2 file',
    'qemu-img create -q -f qed -u -b /etc/shadow -F raw disk.qcow2 64M',
  ),
  made('raw', 'it is no qcow2 file', 'truncate -s 64M disk.qcow2'),
  {
    name: 'a description of a disk elsewhere',
    says: 'it is too short for a qcow2 header',
    make: (dir) => put(dir, 'json:{"driver":"nbd","host":"198.51.100.1"}'),
  },
  {
    name: 'a VMDK description that names a file',
    says: 'it is no qcow2 file',
    make: (dir) => put(dir, `# Disk DescriptorFile\nRW 63 FLAT "/etc/shadow" 0\n${'#'.repeat(200)}`),
  },
]

const places: readonly Hostile[] = [
  { name: 'nothing there', says: 'there is no such file', make: (dir) => join(dir, 'none') },
  { name: 'a folder', says: 'it is no regular file', make: (dir) => dir },
  {
    name: 'a link to a good file',
    says: 'it is a symbolic link; name the file it leads to',
    make: (dir) => {
      symlinkSync(put(dir, dataQcow2()), join(dir, 'link'))
      return join(dir, 'link')
    },
  },
  {
    name: 'a link to a device',
    says: 'it is a symbolic link; name the file it leads to',
    make: (dir) => {
      symlinkSync('/dev/zero', join(dir, 'link'))
      return join(dir, 'link')
    },
  },
  { name: 'a path through a file', says: 'it cannot be reached', make: (dir) => join(put(dir, 'x'), 'y') },
  { name: 'a name without end', says: 'it cannot be reached', make: (dir) => join(dir, 'x'.repeat(300)) },
  {
    name: 'a folder inside of folders',
    says: 'it is no regular file',
    make: (dir) => {
      mkdirSync(join(dir, 'disk.qcow2'))
      return join(dir, 'disk.qcow2')
    },
  },
  made('a device of endless zeros', 'it is no regular file', 'mknod disk.qcow2 c 1 5'),
  made('a block device', 'it is no regular file', 'mknod disk.qcow2 b 7 200'),
  made('a device that acts when it is opened', 'it is no regular file', 'mknod disk.qcow2 c 10 130'),
  made('a pipe without a writer', 'it is no regular file', 'mkfifo disk.qcow2'),
  made(
    'a socket',
    'it is no regular file',
    `perl -MSocket -e 'socket(S,PF_UNIX,SOCK_STREAM,0); bind(S, sockaddr_un("disk.qcow2"))'`,
  ),
]

export const hostileFiles: readonly Hostile[] = [...headers, ...tables, ...sizes, ...formats, ...places]
