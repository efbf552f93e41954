import { access, chmod, chown, open, readdir, readlink, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { isId, SlipwayError, type TemplateId } from '../../../../model/index.ts'
import { isMissing } from '../../../durable-file.ts'
import type { Template } from '../../driver.ts'
import { ensureDirectory } from '../directory.ts'
import { inspect } from './inspect.ts'
import {
  type Manifest,
  manifestFile,
  readManifest,
  staleFile,
  TEMPLATE_FILES,
  type TemplateFile,
} from './manifest.ts'

/** A template and where its files are. */
export interface StoredTemplate extends Manifest {
  readonly dir: string
}

/** In a machine's directory: a link that names the template it lives on. */
export const TEMPLATE_LINK = 'template'

/**
 * The published templates of a host, one directory each, named by its id. A template is made in a machine's directory
 * and comes here by a rename, whole; it goes by a rename to a name that is nobody's, and then file by file. What a kill
 * leaves of either is swept away by the next agent. No file here is ever written to again; a mark may come beside them.
 *
 *   machines/slw.HOST.MACHINE/ ── seal, rename ──► templates/t-…/ ── rename ──► templates/.t-…/ ──► gone
 */
export class TemplateStore {
  readonly #dir: string
  readonly #machinesDir: string
  /** Templates whose files were read and found as they were when published, since this process began. */
  readonly #sound = new Map<TemplateId, StoredTemplate>()
  readonly #closing = new AbortController()
  #checked: Promise<void> | undefined
  /** Templates that a clone is being made of. */
  readonly #held = new Map<TemplateId, number>()

  constructor(options: { readonly dir: string; readonly machinesDir: string }) {
    this.#dir = options.dir
    this.#machinesDir = options.machinesDir
  }

  /**
   * Makes the directory (QEMU passes through it to its template, and sees no list) and begins to look at what is in it:
   * what is no whole template goes; the others are read from end to end, since a disk may have lost what it was given,
   * and are served as they are found sound. They are in the host's page cache by then.
   */
  async open(): Promise<void> {
    await ensureDirectory(this.#dir, 0o711)
    this.#checked = this.#check(this.#closing.signal).catch(() => {})
  }

  async close(): Promise<void> {
    this.#closing.abort(new SlipwayError('cancelled', { what: 'reading templates' }))
    await this.#checked
  }

  async #check(signal: AbortSignal): Promise<void> {
    for (const name of await readdir(this.#dir)) {
      if (!isId('TemplateId', name.replace(/^\./, ''))) continue
      const dir = join(this.#dir, name)
      const manifest = isId('TemplateId', name) ? await readManifest(dir) : undefined
      const template = manifest?.id === name ? { ...manifest, dir } : undefined
      if (template !== undefined && (await isSound(template, signal))) this.#sound.set(template.id, template)
      else await rm(dir, { recursive: true, force: true })
    }
  }

  /** Machines that are nobody's, which `isNobodys` tells by the name of their directory, do not count as clones. */
  async list(isNobodys: (name: string) => boolean): Promise<readonly Omit<Template, 'hulls'>[]> {
    const clones = await this.#clones(isNobodys)
    const listed = [...this.#sound.values()].map(async (template) => {
      const { id, key, shape, mode, builtAtMs, diskMiB } = template
      const stale = await isStale(template)
      return { id, key, shape, mode, builtAtMs, diskMiB, clones: clones.get(id) ?? 0, stale }
    })
    return Promise.all(listed)
  }

  /** Runs `use` with the template, which is not removed meanwhile. Throws `not_found`. */
  async holding<T>(id: TemplateId, use: (template: StoredTemplate) => Promise<T>): Promise<T> {
    const template = this.#soundOne(id)
    this.#held.set(id, (this.#held.get(id) ?? 0) + 1)
    try {
      return await use(template)
    } finally {
      this.#held.set(id, (this.#held.get(id) ?? 1) - 1)
    }
  }

  /** Seals the files in `dir`, a machine's, and makes it a template. Once it resolves a power cut would find it. */
  async publish(dir: string, manifest: Manifest): Promise<StoredTemplate> {
    for (const file of filesOf(manifest)) await seal(join(dir, TEMPLATE_FILES[file]))
    await writeFile(manifestFile(dir), `${JSON.stringify(manifest, undefined, 2)}\n`, { mode: 0o444 })
    await seal(manifestFile(dir))
    await chown(dir, 0, 0)
    await chmod(dir, 0o711)
    await sync(dir)
    const published = this.dirOf(manifest.id)
    await rename(dir, published)
    await sync(this.#dir)
    const template = { ...manifest, dir: published }
    this.#sound.set(manifest.id, template)
    return template
  }

  /** Once it resolves a power cut would find the mark. Throws `not_found`. */
  async markStale(id: TemplateId): Promise<void> {
    const { dir } = this.#soundOne(id)
    try {
      await writeFile(staleFile(dir), '', { mode: 0o444 })
      await seal(staleFile(dir))
      await sync(dir)
    } catch (cause) {
      // It was removed meanwhile.
      if (isMissing(cause)) throw absent(id)
      throw cause
    }
  }

  async remove(id: TemplateId): Promise<void> {
    const clones = (await this.#clones()).get(id) ?? 0
    // Read last: what holds it after this does not find it any more.
    const inUse = clones + (this.#held.get(id) ?? 0)
    if (inUse > 0)
      throw new SlipwayError('conflict', {
        kind: 'template',
        name: id,
        detail: `${inUse} machines live on it`,
      })
    this.#sound.delete(id)
    const gone = join(this.#dir, `.${id}`)
    await rm(gone, { recursive: true, force: true })
    await rename(this.dirOf(id), gone).catch((error: unknown) => {
      if (!isMissing(error)) throw error
    })
    await rm(gone, { recursive: true, force: true })
  }

  /** Where the template will be, or is. */
  dirOf(id: TemplateId): string {
    return join(this.#dir, id)
  }

  #soundOne(id: TemplateId): StoredTemplate {
    const template = this.#sound.get(id)
    if (template === undefined) throw absent(id)
    return template
  }

  /** Template → machines that have a directory and live on it. */
  async #clones(isNobodys = (_name: string): boolean => false): Promise<ReadonlyMap<TemplateId, number>> {
    const clones = new Map<TemplateId, number>()
    for (const machine of await readdir(this.#machinesDir).catch(() => [])) {
      const link = await readlink(join(this.#machinesDir, machine, TEMPLATE_LINK)).catch(() => '')
      const id = basename(link)
      if (isId('TemplateId', id) && !isNobodys(machine)) clones.set(id, (clones.get(id) ?? 0) + 1)
    }
    return clones
  }
}

export const filesOf = ({ files }: Pick<Manifest, 'files'>): readonly TemplateFile[] =>
  Object.keys(files) as TemplateFile[]

const absent = (id: TemplateId): SlipwayError => new SlipwayError('not_found', { kind: 'template', name: id })

const isStale = ({ dir }: StoredTemplate): Promise<boolean> =>
  access(staleFile(dir)).then(
    () => true,
    () => false,
  )

/** Root's, nobody's to write, on the disk. */
async function seal(file: string): Promise<void> {
  await chown(file, 0, 0)
  await chmod(file, 0o444)
  await sync(file)
}

async function sync(path: string): Promise<void> {
  await using handle = await open(path, 'r')
  await handle.sync()
}

/** Whether each file is root's alone and holds what it held when it was published. */
async function isSound(template: StoredTemplate, signal: AbortSignal): Promise<boolean> {
  for (const name of filesOf(template)) {
    const file = join(template.dir, TEMPLATE_FILES[name])
    const expected = template.files[name]
    const found = await stat(file).catch(() => undefined)
    if (found === undefined || found.uid !== 0 || (found.mode & 0o222) !== 0) return false
    if (found.size !== expected?.bytes) return false
    const read = await inspect(file, { patterns: [], signal }).catch(() => undefined)
    signal.throwIfAborted()
    if (read?.sha256 !== expected.sha256) return false
  }
  return true
}
