/**
 * The contract between the agent and a hypervisor. One conformance suite (`test/conformance`) holds every driver to it.
 *
 * The driver owns *how* a machine exists on this host; the agent owns *which* and *when*. Every resource carries its
 * machine's id in its name, `destroy` and `remove` work on anything half made, and nothing that `list` does not
 * recognise as ours is ever touched.
 *
 *   probe ─► prepare ─► clone ─► guest … link ─► (ready: the agent's sequence) ─► destroy
 *                │        └── any failure, any kill ──► destroy / remove, found again by list
 *                └► buildTemplate ─► templates ─► (makeHull ─►) clones of it ─► removeTemplate
 */
import type {
  CloneMode,
  HostImage,
  ImageManifest,
  MachineId,
  MachineSpec,
  TemplateId,
  TemplateShape,
} from '../../model/index.ts'

/** By which the guest kit finds the disk with the operator's tools. */
export const TOOLS_SERIAL = 'slipway-tools'

/** What this host can do, found by trying. */
export interface DriverFacts {
  readonly acceleration: 'hardware' | 'emulated'
  /** For people: why it is what it is, e.g. "a tiny guest did not run within 5 s under KVM". */
  readonly evidence: string
  /** How machines are made here at best, and why not better. */
  readonly cloning: { readonly mode: CloneMode; readonly evidence: string }
  /** Name → version: qemu, libvirt, kernel. */
  readonly versions: Readonly<Record<string, string>>
  readonly vcpus: number
  readonly memoryMiB: number
  readonly diskMiB: number
}

/** One thing on the host that is ours by its name. */
export interface Resource {
  /** E.g. `domain`, `overlay`, `namespace`, `tap`, `uid`. */
  readonly kind: string
  /** As the host's own tools name it. */
  readonly name: string
  /** Absent: made ahead of demand, or shared by all machines of this host. */
  readonly machine?: MachineId
  /** True for what the driver itself keeps in stock or shares: not a leak while the driver lives. */
  readonly kept?: boolean
}

/** A machine whose guest runs, link down, not yet unique. */
export interface Clone {
  readonly machine: MachineId
  /** Where the host reaches the guest's SSH server once the link is up. */
  readonly address: string
  readonly port: number
}

export interface CloneRequest {
  readonly machine: MachineId
  readonly spec: MachineSpec
  readonly image: ImageManifest
  /** Absolute path of the golden disk: opened read-only, never owned by the machine. */
  readonly disk: string
  /** Absolute path of a read-only disk with the operator's tools (the runner's own binary), with serial `TOOLS_SERIAL`. */
  readonly tools?: string
  /** A published template of this machine's shape and tools; absent: the machine boots. */
  readonly template?: TemplateId
  /** Called as each step is done; the names appear in the machine's timeline. */
  readonly step: (name: string) => void
  readonly signal: AbortSignal
}

export interface TemplateRequest {
  readonly shape: TemplateShape
  readonly image: ImageManifest
  /** As of a clone. */
  readonly disk: string
  readonly tools?: string
  /**
   * Does with the running guest what a job's machine will do first, and takes all of it back: when it resolves, the
   * guest has no key, no id and no connection, and its link is down.
   */
  readonly warm: (guest: Clone) => Promise<void>
  /** Texts that must not be found in it, besides all that looks like a secret. */
  readonly forbidden: readonly string[]
  /** As of a clone; `TEMPLATE_STEPS` names them all, in order. */
  readonly step: (name: string) => void
  readonly signal: AbortSignal
}

export interface HullRequest {
  readonly template: Pick<Template, 'id' | 'shape'>
  readonly image: ImageManifest
  /** As of a clone. */
  readonly disk: string
  readonly tools?: string
  /**
   * Given a guest that runs for a moment, its link down, before it is paused again: what it has done once it does faster.
   * A driver whose guests gain nothing by it does not call it.
   */
  readonly rehearse: (machine: MachineId) => Promise<void>
  readonly signal: AbortSignal
}

/** Each driver's way to a template. */
export const TEMPLATE_STEPS = ['started', 'warmed', 'frozen', 'stopped', 'scanned', 'published'] as const

/** A published template: complete, unchangeable, found again after any restart. */
export interface Template {
  readonly id: TemplateId
  /** What `templateKey` said when it was made; clones of it are made only while it says so still. */
  readonly key: string
  readonly shape: TemplateShape
  readonly mode: Exclude<CloneMode, 'cold'>
  readonly builtAtMs: number
  /** What it takes on the disk. */
  readonly diskMiB: number
  /** Machines that somebody asked for and that live on it. */
  readonly clones: number
  /** Its hulls in stock, by the ids that machines will have that are launched from them. */
  readonly hulls: readonly MachineId[]
  /** Somebody wants its successor, whatever its age. Written by `markStale`, once and for all. */
  readonly stale: boolean
}

/** The way into a running guest that needs no network. */
export interface GuestChannel {
  /**
   * What the guest's resident kit answers to a request (`images/kit/request.h`): one line. It is asked one thing at a
   * time; a guest that still boots is waited for.
   */
  ask(
    request: string,
    options: { readonly signal: AbortSignal; readonly deadlineMs: number },
  ): Promise<string>
  /** Resolves once the guest agent answers a fresh synchronisation id; earlier answers are discarded. */
  sync(options: { readonly signal: AbortSignal; readonly deadlineMs: number }): Promise<void>
  /** Runs `path` with `stdin`, at most `OUTPUT_BYTES_MAX` of output; refuses what is malformed with `guest_misbehaved`. */
  exec(
    path: string,
    args: readonly string[],
    options: { readonly stdin: string; readonly signal: AbortSignal; readonly deadlineMs: number },
  ): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }>
}

/** What happened to a machine without our asking. `stopped`: the guest powered itself off. */
export interface DriverEvent {
  readonly machine: MachineId
  readonly kind: 'stopped' | 'crashed' | 'vanished'
  readonly detail: string
}

export interface Driver {
  readonly name: string
  /** Asks the host; throws `missing_program`, `hypervisor_down`. */
  probe(options: { readonly signal: AbortSignal }): Promise<DriverFacts>
  /** Brings up what machines need before any is asked for (daemon, firewall, spare namespaces). Idempotent. */
  prepare(options: { readonly signal: AbortSignal }): Promise<void>
  /**
   * Names all that a template of this shape depends on, besides what is in it: image, tools, CPU, QEMU, libvirt, kernel,
   * microcode and our own way of making machines. Undefined where this host can only boot machines.
   */
  templateKey(shape: TemplateShape, options: { readonly tools?: string }): Promise<string | undefined>
  /** All published templates of this host, usable or not. */
  templates(): Promise<readonly Template[]>
  /**
   * Boots a machine of the shape, has it warmed, freezes and publishes it. On any failure nothing of it is left; what a
   * kill leaves is listed as a machine's. Errors besides those of `clone`: `template_unclean`.
   */
  buildTemplate(request: TemplateRequest): Promise<Template>
  /**
   * Makes a hull: a clone of the template, paused before it is anybody, kept in stock under an id of the driver's. A
   * `clone` of that id and template launches it, one of that id and another template makes its machine from nothing; and
   * `dropHull`, `destroy`, `removeTemplate` and `close` take it away once it is in stock. While it is made
   * `removeTemplate` ends it: `cancelled`. On any failure nothing of it is left; what a kill leaves is listed as a
   * machine's.
   */
  makeHull(request: HullRequest): Promise<MachineId>
  /** Takes a hull out of stock, and apart; nothing happens if it is none any more. */
  dropHull(hull: MachineId): Promise<void>
  /** Once it resolves no kill and no power cut undoes it; ends with the template. Throws `not_found`. */
  markStale(template: TemplateId): Promise<void>
  /** And its hulls, in the making or in stock. Fine if there is none; `conflict` while a machine lives on it. */
  removeTemplate(template: TemplateId): Promise<void>
  /** Makes the machine and starts its guest. On any failure nothing of it is left. */
  clone(request: CloneRequest): Promise<Clone>
  /** Opens (`up`) or closes the host's end of the machine's only network link. */
  link(machine: MachineId, state: 'up' | 'down', options: { readonly signal: AbortSignal }): Promise<void>
  guest(machine: MachineId): GuestChannel
  /** Removes the machine and everything named after it; fine if none of it exists. */
  destroy(machine: MachineId): Promise<void>
  /** Everything of ours on this host, running or not. */
  list(): Promise<readonly Resource[]>
  /** Machines whose guest runs now. */
  running(): Promise<ReadonlySet<MachineId>>
  /** Removes one resource that `list` named; fine if it is gone. */
  remove(resource: Resource): Promise<void>
  /** The last lines the guest wrote to its console, newest last, control characters removed. */
  console(machine: MachineId, options: { readonly lines: number }): Promise<readonly string[]>
  /** The console from here on, raw bytes, until aborted; input goes back to it. */
  attachConsole(machine: MachineId, options: { readonly signal: AbortSignal }): Promise<ConsoleStream>
  /** Until aborted. A driver that lost its hypervisor reports `vanished` for what is gone when it is back. */
  events(options: { readonly signal: AbortSignal }): AsyncIterable<DriverEvent>
  /** Stops what `prepare` started, once no machine is left; keeps what other processes of ours still use. */
  close(): Promise<void>
}

export interface ConsoleStream {
  readonly output: AsyncIterable<Uint8Array>
  write(bytes: Uint8Array): void
}

/** The images a driver may be asked to clone. Written by the host's image store. */
export interface ImageSource {
  list(): Promise<readonly HostImage[]>
  find(digest: string): Promise<{ readonly manifest: ImageManifest; readonly disk: string }>
}
