import type { MachineId, MachineSpec } from '../../../model/index.ts'
import { TOOLS_SERIAL } from '../driver.ts'
import { GUEST_MAC, type Slot } from './network/index.ts'
import { toXml, type XmlElement, xml } from './xml.ts'

/** All that decides what a machine is made of. What is not here, no machine has. */
export interface DomainPlan {
  readonly name: string
  readonly machine: MachineId
  readonly slot: Slot
  readonly spec: Pick<MachineSpec, 'vcpus' | 'memoryMiB'>
  readonly acceleration: 'hardware' | 'emulated'
  /** By its full name, e.g. `pc-i440fx-10.0`. */
  readonly machineType: string
  /** Fresh for each machine: tells the guest that it is not who it was. */
  readonly generationId: string
  readonly overlay: string
  /** The disks under it, nearest first: its template's, if it has one, and the golden one. */
  readonly backing: readonly string[]
  readonly tools: string | undefined
  readonly firmware: Firmware
  readonly consoleLog: string
  readonly consoleSocket: string
  /** Where QEMU listens for who speaks with the guest's kit. */
  readonly kitSocket: string
  /** Its memory is this file: its own, to be frozen, or a template's, copied page by page when written. */
  readonly memory?: MemoryFile | undefined
  /** It does not boot: its state comes from its template's. */
  readonly wakes: boolean
}

export interface MemoryFile {
  readonly path: string
  readonly kind: 'own' | 'template'
}

export type Firmware =
  | { readonly kind: 'bios' }
  | { readonly kind: 'uefi'; readonly code: string; readonly variables: string }

/** Beyond its guest's memory: QEMU itself, device buffers, I/O threads. Measured: see bench. */
const OVERHEAD_MIB = 256
/** Translated code of an emulated guest; QEMU's own default is a GiB. */
const TRANSLATION_MIB = 128
/** CFS period and quota: a thread may use one processor, never more. */
const BYTES_PER_MIB = 1024 * 1024
const PERIOD_US = 100_000
const SHARES = 1024
/** Per machine: above what a job needs, below what starves the neighbours of one disk. */
const DISK_BYTES_PER_SECOND_MAX = 1024 ** 3
const DISK_REQUESTS_PER_SECOND_MAX = 20_000
/** Random bytes the guest may draw per second. */
const RANDOM_BYTES_PER_SECOND_MAX = 1024

/** What a machine costs its host in memory. */
export const memoryCostMiB = (plan: Pick<DomainPlan, 'spec' | 'acceleration'>): number =>
  plan.spec.memoryMiB + OVERHEAD_MIB + (plan.acceleration === 'emulated' ? TRANSLATION_MIB : 0)

/**
 * The machine as libvirt wants it: an allow-list of devices (one disk, one card, one serial line, a channel to the guest
 * agent and one to the kit, random numbers, the tools disk), no hot-plug, no display, no balloon, every limit set, its own uid, no relabelling.
 *
 * `pc` and not `q35`: fewer devices (no AHCI, no SMBus, no watchdog, no port per device), the same speed.
 */
export function domainXml(plan: DomainPlan): string {
  const emulated = plan.acceleration === 'emulated'
  return toXml(
    xml('domain', { type: emulated ? 'qemu' : 'kvm' }, [
      xml('name', {}, [plan.name]),
      xml('genid', {}, [plan.generationId]),
      xml('metadata', {}, [
        xml('slipway:machine', {
          id: plan.machine,
          slot: plan.slot.number,
        }),
      ]),
      xml('memory', { unit: 'MiB', dumpCore: 'off' }, [plan.spec.memoryMiB]),
      xml('memoryBacking', {}, [xml('nosharepages')]),
      xml('vcpu', { placement: 'static' }, [plan.spec.vcpus]),
      cputune(),
      os(plan),
      xml('features', {}, [
        xml('acpi'),
        xml('apic'),
        xml('vmport', { state: 'off' }),
        xml('ps2', { state: 'off' }),
        emulated
          ? xml('tcg', {}, [xml('tb-cache', { unit: 'MiB' }, [TRANSLATION_MIB])])
          : xml('pmu', { state: 'off' }),
      ]),
      cpu(emulated),
      // With it QEMU wakes 250 times a second for a timer no guest uses.
      xml('clock', { offset: 'utc' }, [xml('timer', { name: 'hpet', present: 'no' })]),
      xml('on_poweroff', {}, ['destroy']),
      xml('on_reboot', {}, ['destroy']),
      xml('on_crash', {}, ['destroy']),
      devices(plan),
      xml('seclabel', { type: 'static', model: 'dac', relabel: 'no' }, [
        xml('label', {}, [`+${plan.slot.uid}:+${plan.slot.uid}`]),
      ]),
      emulated ? withoutFeatureQueries() : undefined,
      commandLine(plan),
    ]),
  )
}

const cputune = (): XmlElement =>
  xml('cputune', {}, [
    xml('shares', {}, [SHARES]),
    xml('period', {}, [PERIOD_US]),
    xml('quota', {}, [PERIOD_US]),
    xml('emulator_period', {}, [PERIOD_US]),
    xml('emulator_quota', {}, [PERIOD_US]),
  ])

const os = ({ firmware, machineType }: DomainPlan): XmlElement =>
  xml('os', {}, [
    xml('type', { arch: 'x86_64', machine: machineType }, ['hvm']),
    ...(firmware.kind === 'uefi'
      ? [
          xml('loader', { readonly: 'yes', secure: 'no', type: 'pflash' }, [firmware.code]),
          xml('nvram', {}, [firmware.variables]),
        ]
      : []),
    xml('boot', { dev: 'hd' }),
  ])

/** Named, so that a frozen guest resumes anywhere with the same QEMU; the hardware's own when there is hardware. */
const cpu = (emulated: boolean): XmlElement =>
  emulated
    ? xml('cpu', { mode: 'custom', match: 'exact', check: 'none' }, [
        xml('model', { fallback: 'forbid' }, ['Nehalem']),
        xml('feature', { policy: 'require', name: 'rdrand' }),
      ])
    : xml('cpu', { mode: 'host-model', check: 'partial' }, [
        // A guest that is a hypervisor in turn reaches far more of the host's kernel.
        xml('feature', { policy: 'disable', name: 'vmx' }),
        xml('feature', { policy: 'disable', name: 'svm' }),
      ])

/**
 * libvirt asks an emulating QEMU for each of 464 CPU properties at every start; without this capability it does not.
 * Our model needs no check: it is emulated, so every host has it.
 */
const withoutFeatureQueries = (): XmlElement =>
  xml('qemu:capabilities', {}, [xml('qemu:del', { capability: 'cpu-unavailable-features' })])

/**
 * What libvirt has no words for. A template's memory is opened for reading alone, whatever QEMU becomes later, and
 * written to in private copies of its pages; `rom=off` says that this is memory nevertheless.
 */
function commandLine({ memory, spec, wakes }: DomainPlan): XmlElement | undefined {
  const backend = memory && {
    'qom-type': 'memory-backend-file',
    id: 'memory',
    size: spec.memoryMiB * BYTES_PER_MIB,
    'mem-path': memory.path,
    ...(memory.kind === 'own' ? { share: true } : { share: false, readonly: true, rom: 'off' }),
  }
  const values = [
    ...(backend ? ['-object', JSON.stringify(backend), '-machine', `memory-backend=${backend.id}`] : []),
    ...(wakes ? ['-incoming', 'defer'] : []),
  ]
  if (values.length === 0) return undefined
  return xml(
    'qemu:commandline',
    {},
    values.map((value) => xml('qemu:arg', { value })),
  )
}

function devices(plan: DomainPlan): XmlElement {
  return xml('devices', {}, [
    xml('emulator', {}, ['/usr/bin/qemu-system-x86_64']),
    disk(plan),
    ...(plan.tools === undefined ? [] : [toolsDisk(plan.tools)]),
    xml('controller', { type: 'usb', model: 'none' }),
    xml('interface', { type: 'ethernet' }, [
      xml('mac', { address: GUEST_MAC }),
      xml('target', { dev: plan.slot.tap }),
      xml('model', { type: 'virtio' }),
      // In QEMU, not in the kernel (vhost): a smaller surface.
      xml('driver', { name: 'qemu' }),
      xml('rom', { enabled: 'no' }),
    ]),
    xml('serial', { type: 'unix' }, [
      xml('source', { mode: 'bind', path: plan.consoleSocket }),
      xml('log', { file: plan.consoleLog, append: 'off' }),
      xml('target', { port: 0 }),
    ]),
    xml('channel', { type: 'unix' }, [xml('target', { type: 'virtio', name: 'org.qemu.guest_agent.0' })]),
    xml('channel', { type: 'unix' }, [
      xml('source', { mode: 'bind', path: plan.kitSocket }),
      xml('target', { type: 'virtio', name: 'slipway.kit.0' }),
    ]),
    xml('rng', { model: 'virtio' }, [
      xml('rate', { bytes: RANDOM_BYTES_PER_SECOND_MAX, period: 1000 }),
      xml('backend', { model: 'random' }, ['/dev/urandom']),
    ]),
    xml('memballoon', { model: 'none' }),
    xml('video', {}, [xml('model', { type: 'none' })]),
  ])
}

/**
 * The chain is spelt out to its end: nobody looks into a file to find out what lies under it. The cache is the host's,
 * because the golden disk is the same in all machines: read past it (`none`), each boots a third slower. What a machine
 * writes is charged to its control group, and its flushes are obeyed.
 */
const disk = ({ overlay, backing }: DomainPlan): XmlElement =>
  xml('disk', { type: 'file', device: 'disk' }, [
    xml('driver', {
      name: 'qemu',
      type: 'qcow2',
      cache: 'writeback',
      io: 'threads',
      discard: 'unmap',
      detect_zeroes: 'unmap',
      error_policy: 'stop',
    }),
    xml('source', { file: overlay }),
    backing.reduceRight(
      (under, file) =>
        xml('backingStore', { type: 'file' }, [
          xml('format', { type: 'qcow2' }),
          xml('source', { file }),
          under,
        ]),
      xml('backingStore'),
    ),
    xml('target', { dev: 'vda', bus: 'virtio' }),
    xml('iotune', {}, [
      xml('total_bytes_sec', {}, [DISK_BYTES_PER_SECOND_MAX]),
      xml('total_iops_sec', {}, [DISK_REQUESTS_PER_SECOND_MAX]),
    ]),
  ])

const toolsDisk = (file: string): XmlElement =>
  xml('disk', { type: 'file', device: 'disk' }, [
    xml('driver', { name: 'qemu', type: 'raw', cache: 'writeback' }),
    xml('source', { file }),
    xml('backingStore'),
    xml('target', { dev: 'vdb', bus: 'virtio' }),
    xml('readonly'),
    xml('serial', {}, [TOOLS_SERIAL]),
  ])
