/**
 * The operator's tools as a read-only disk that every machine gets: how the runner's own binary reaches a guest that
 * has no network yet and no reason to be trusted with a share. Built once, named by its content.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, cp, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { ensureOwnFolder } from '../files/index.ts'
import { SlipwayError } from '../model/index.ts'
import { isMissing } from './durable-file.ts'

const MIB = 1024 * 1024
const TOOLS_BYTES_MAX = 2 * 1024 * MIB
const FILES_MAX = 10_000
const MKE2FS_MS = 120_000
/** For the file system's own tables, beside its content. */
const SLACK_MIB = 16
const SUFFIX = '.img'

export interface ToolsOptions {
  /** A program, or a folder of them. */
  readonly source: string
  /** Where disks are kept; only the one in use stays. */
  readonly dir: string
  readonly signal: AbortSignal
}

/** Absolute path of the disk, 0444. Throws `bad_config` if the source is not usable, `missing_program` without mke2fs. */
export async function packTools({ source, dir, signal }: ToolsOptions): Promise<string> {
  const { digest, bytes } = await measure(source, signal)
  await ensureOwnFolder(dir, 0o755)
  const disk = join(dir, `${digest}${SUFFIX}`)
  if (!(await exists(disk))) await build(disk, { source, dir, bytes, signal })
  for (const name of await readdir(dir)) {
    if (join(dir, name) !== disk) await rm(join(dir, name), { recursive: true, force: true })
  }
  return disk
}

interface Build {
  readonly source: string
  readonly dir: string
  readonly bytes: number
  readonly signal: AbortSignal
}

async function build(disk: string, { source, dir, bytes, signal }: Build): Promise<void> {
  const stage = await mkdtemp(join(dir, 'draft-'))
  const files = join(stage, 'files')
  const draft = join(stage, 'disk')
  try {
    const { isFolder } = await kindOf(source)
    await cp(source, isFolder ? files : join(files, basename(source)), { recursive: true, dereference: true })
    await openUp(files)
    const sizeMiB = Math.ceil((bytes * 1.1) / MIB) + SLACK_MIB
    const args = [
      '-q',
      '-F',
      '-t',
      'ext4',
      '-m',
      '0',
      '-O',
      '^has_journal',
      '-E',
      'root_owner=0:0',
      '-d',
      files,
    ]
    await mke2fs([...args, draft, `${sizeMiB}M`], signal)
    await chmod(draft, 0o444)
    await rename(draft, disk)
  } finally {
    await rm(stage, { recursive: true, force: true })
  }
}

async function mke2fs(args: readonly string[], signal: AbortSignal): Promise<void> {
  try {
    const env = { PATH: '/usr/sbin:/sbin', LC_ALL: 'C' }
    await promisify(execFile)('mke2fs', [...args], { env, signal, timeout: MKE2FS_MS, killSignal: 'SIGKILL' })
  } catch (cause) {
    signal.throwIfAborted()
    if (isMissing(cause)) {
      throw new SlipwayError(
        'missing_program',
        { program: 'mke2fs', remedy: 'apt-get install e2fsprogs' },
        { cause },
      )
    }
    const detail = cause instanceof Error ? cause.message.slice(-300) : String(cause)
    throw new SlipwayError('host_setup', { object: 'the tools disk', detail }, { cause })
  }
}

/** A job's user must be able to run what is in it, whatever the operator's umask was. */
async function openUp(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await openUp(path)
    else await chmod(path, ((await stat(path)).mode & 0o111) === 0 ? 0o444 : 0o555)
  }
}

/** Digest of names, modes and content, and their size. Follows symbolic links, as the copy does. */
async function measure(source: string, signal: AbortSignal): Promise<{ digest: string; bytes: number }> {
  const { isFolder } = await kindOf(source)
  const names = isFolder ? await filesIn(source) : ['']
  const hash = createHash('sha256')
  let bytes = 0
  for (const name of names) {
    const path = join(source, name)
    const { size, mode } = await stat(path)
    bytes += size
    if (bytes > TOOLS_BYTES_MAX) throw refused(source, `it is larger than ${TOOLS_BYTES_MAX} bytes`)
    hash.update(`${name || basename(source)}\0${(mode & 0o111) === 0 ? '-' : 'x'}\0${size}\0`)
    await pipeline(createReadStream(path), hash, { end: false, signal })
  }
  return { digest: hash.digest('hex'), bytes }
}

async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true })
  if (entries.length > FILES_MAX) throw refused(folder, `it has more than ${FILES_MAX} entries`)
  const files: string[] = []
  for (const name of entries.sort()) if ((await stat(join(folder, name))).isFile()) files.push(name)
  if (files.length === 0) throw refused(folder, 'it holds no file')
  return files
}

async function kindOf(source: string): Promise<{ readonly isFolder: boolean }> {
  try {
    const found = await stat(source)
    if (found.isFile() || found.isDirectory()) return { isFolder: found.isDirectory() }
  } catch (error) {
    if (isMissing(error)) throw refused(source, 'there is no such file or folder')
    throw error
  }
  throw refused(source, 'it is neither a file nor a folder')
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

const refused = (source: string, detail: string): SlipwayError =>
  new SlipwayError('bad_config', { file: 'agent.toml', detail: `tools = "${source}": ${detail}` })
