import { access, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SlipwayError } from '../../../../model/index.ts'
import { tryRun } from '../command.ts'
import { bootSector, RAN_EXIT_CODE } from './boot-sector.ts'

export interface Acceleration {
  readonly acceleration: 'hardware' | 'emulated'
  /** For people. */
  readonly evidence: string
}

export interface AccelerationOptions {
  /** Where the answer is kept until the next boot or another QEMU. */
  readonly cacheFile: string
  readonly qemuVersion: string
  readonly signal: AbortSignal
}

const EMULATOR = 'qemu-system-x86_64'
const PROBE_MS_MAX = 5_000

/** Believes in KVM only after a tiny guest ran under it. Errors: `missing_program`. */
export async function probeAcceleration(options: AccelerationOptions): Promise<Acceleration> {
  const key = `${(await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()} ${options.qemuVersion}`
  const known = await readCache(options.cacheFile, key)
  if (known !== undefined) return known
  const found = await tryKvm(options)
  await mkdir(dirname(options.cacheFile), { recursive: true, mode: 0o700 })
  await writeFile(options.cacheFile, `${JSON.stringify({ key, ...found })}\n`, { mode: 0o600 })
  return found
}

async function tryKvm({ cacheFile, signal }: AccelerationOptions): Promise<Acceleration> {
  if (!(await exists('/dev/kvm'))) return { acceleration: 'emulated', evidence: 'there is no /dev/kvm' }
  const sectorFile = `${cacheFile}.sector`
  await mkdir(dirname(sectorFile), { recursive: true, mode: 0o700 })
  await writeFile(sectorFile, bootSector(), { mode: 0o600 })
  try {
    const startedMs = performance.now()
    const { exitCode, stderr } = await tryRun(EMULATOR, arguments_(sectorFile), {
      object: 'a tiny guest under KVM',
      signal,
      deadlineMs: PROBE_MS_MAX,
    })
    const tookMs = Math.round(performance.now() - startedMs)
    if (exitCode === RAN_EXIT_CODE)
      return { acceleration: 'hardware', evidence: `a tiny guest ran under KVM in ${tookMs} ms` }
    const said = stderr.trim().split('\n').at(-1)?.slice(0, 200) ?? ''
    return {
      acceleration: 'emulated',
      evidence: `a tiny guest did not run under KVM: exit code ${exitCode ?? 'none'}: ${said}`,
    }
  } catch (error) {
    if (!(error instanceof SlipwayError) || error.code !== 'timed_out') throw error
    return {
      acceleration: 'emulated',
      evidence: `/dev/kvm exists, but a tiny guest did not run under it within ${PROBE_MS_MAX} ms`,
    }
  } finally {
    await rm(sectorFile, { force: true })
  }
}

const arguments_ = (sectorFile: string): readonly string[] => [
  ...['-accel', 'kvm', '-machine', 'pc', '-m', '16', '-display', 'none', '-nodefaults', '-no-user-config'],
  ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
  ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=1'],
  ...[
    '-blockdev',
    JSON.stringify({
      driver: 'raw',
      'node-name': 'sector',
      'read-only': true,
      file: { driver: 'file', filename: sectorFile },
    }),
  ],
  ...['-device', 'floppy,drive=sector'],
]

async function readCache(file: string, key: string): Promise<Acceleration | undefined> {
  try {
    const cached: unknown = JSON.parse(await readFile(file, 'utf8'))
    if (typeof cached !== 'object' || cached === null) return undefined
    const { key: cachedKey, acceleration, evidence } = cached as Record<string, unknown>
    if (cachedKey !== key || typeof evidence !== 'string') return undefined
    return acceleration === 'hardware' || acceleration === 'emulated' ? { acceleration, evidence } : undefined
  } catch {
    return undefined
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
