import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { release, version } from 'node:os'
import type { TemplateShape } from '../../../../model/index.ts'

/** What the host has that a frozen guest was shaped by. */
export interface KeyFacts {
  readonly shape: TemplateShape
  readonly mode: string
  /** Digest of the tools disk. */
  readonly tools: string | undefined
  /** The machine as our own code would make it, with neutral names: another device list is another template. */
  readonly domain: string
  /** QEMU's and libvirt's own words, packaging included. */
  readonly programs: readonly string[]
  /** Of the host; of no interest to a guest whose CPU is emulated. */
  readonly cpu: string | undefined
}

/** 64 hex digits. A template frozen under one key is never woken under another. */
export function templateKey({ shape, mode, tools, domain, programs, cpu }: KeyFacts): string {
  const { image, vcpus, memoryMiB, diskGiB, sharing, trustDomain } = shape
  const said = {
    shape: [image, vcpus, memoryMiB, diskGiB, sharing, trustDomain ?? ''],
    mode,
    tools: tools ?? '',
    domain,
    programs,
    cpu: cpu ?? '',
    kernel: [release(), version()],
  }
  return createHash('sha256').update(JSON.stringify(said)).digest('hex')
}

/** Model, features and microcode of the host's CPU: a guest that saw one wakes on no other. */
export async function hostCpu(): Promise<string> {
  const text = await readFile('/proc/cpuinfo', 'utf8')
  return ['vendor_id', 'model name', 'stepping', 'microcode', 'flags']
    .map((field) => new RegExp(`^${field}\\s*:\\s*(.*)$`, 'm').exec(text)?.[1] ?? '')
    .join('|')
}
