import type { Caller, CallOptions } from './connection.ts'

export interface NodeInfo {
  /** CPU model, for example `x86_64`. */
  readonly model: string
  readonly memoryKiB: bigint
  readonly cpus: number
  readonly mhz: number
  readonly nodes: number
  readonly sockets: number
  readonly cores: number
  readonly threads: number
}

export interface DomainCapabilitiesOptions extends CallOptions {
  readonly emulator?: string | undefined
  readonly arch?: string | undefined
  readonly machine?: string | undefined
  /** `kvm` or `qemu`. */
  readonly virtType?: string | undefined
}

/** What libvirtd says about itself and its host. Rejects as `Caller.call` does. */
export function host(caller: Caller) {
  return {
    async nodeInfo(options: CallOptions = {}): Promise<NodeInfo> {
      const { model, ...numbers } = await caller.call('nodeGetInfo', {}, options)
      // A C array of char: one XDR int each, up to the first NUL.
      const end = model.includes(0) ? model.indexOf(0) : model.length
      return { model: Buffer.from(model.slice(0, end)).toString('utf8'), ...numbers }
    },

    async hostname(options: CallOptions = {}): Promise<string> {
      return (await caller.call('connectGetHostname', {}, options)).hostname
    },

    async uri(options: CallOptions = {}): Promise<string> {
      return (await caller.call('connectGetUri', {}, options)).uri
    },

    /** Version of libvirtd, for example `11.3.0`. */
    async libvirtVersion(options: CallOptions = {}): Promise<string> {
      return versionText((await caller.call('connectGetLibVersion', {}, options)).libVersion)
    },

    /** Version of the hypervisor behind the URI, for example QEMU's `10.0.2`. */
    async hypervisorVersion(options: CallOptions = {}): Promise<string> {
      return versionText((await caller.call('connectGetVersion', {}, options)).hypervisorVersion)
    },

    /** XML: host CPU and topology, guest architectures. */
    async capabilities(options: CallOptions = {}): Promise<string> {
      return (await caller.call('connectGetCapabilities', {}, options)).capabilities
    },

    /** XML: what one emulator, architecture and machine type can do here. */
    async domainCapabilities(options: DomainCapabilitiesOptions = {}): Promise<string> {
      const { emulator, arch, machine, virtType } = options
      const args = { emulator, arch, machine, virtType, flags: 0 }
      return (await caller.call('connectGetDomainCapabilities', args, options)).capabilities
    },
  }
}

/** libvirt packs versions as major × 1,000,000 + minor × 1,000 + release. */
function versionText(packed: bigint): string {
  const number = Number(packed)
  return `${Math.floor(number / 1_000_000)}.${Math.floor(number / 1_000) % 1_000}.${number % 1_000}`
}
