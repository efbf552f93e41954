import type { Caller, CallOptions } from './connection.ts'
import type { Domain } from './event.ts'
import { type DomainState, domainState } from './names.ts'

export interface FlagOptions extends CallOptions {
  /** Bits of the table in `flag.ts` that the function names; none by default. */
  readonly flags?: number | undefined
}

export interface MetadataOptions extends FlagOptions {
  /** XML namespace under which the element is kept; one element per namespace. */
  readonly uri: string
}

/** One number or text about a machine, under libvirt's name for it, for example `state.state` or `cpu.time`. */
export interface Statistics {
  readonly domain: Domain
  readonly values: ReadonlyMap<string, number | bigint | string>
}

/** `virDomainMetadataType`: an element of our own. */
const METADATA_ELEMENT = 2
const NEED_RESULTS = 1

/**
 * The domain calls, thin: XML in and out is text, every function rejects as `Caller.call` does.
 * A machine that is gone is `LibvirtError` with `ErrorNumber.NO_DOMAIN`, one in the wrong state
 * `OPERATION_INVALID`.
 */
export function domains(caller: Caller) {
  return {
    /** All domains, or those `ListFlag` selects. */
    async list(options: FlagOptions = {}): Promise<readonly Domain[]> {
      const args = { needResults: NEED_RESULTS, flags: options.flags ?? 0 }
      return (await caller.call('connectListAllDomains', args, options)).domains
    },

    async lookupByName(name: string, options: CallOptions = {}): Promise<Domain> {
      return (await caller.call('domainLookupByName', { name }, options)).dom
    },

    async lookupByUuid(uuid: string, options: CallOptions = {}): Promise<Domain> {
      return (await caller.call('domainLookupByUuid', { uuid }, options)).dom
    },

    /** Makes or replaces a persistent definition (`DefineFlag`); nothing starts. */
    async defineXml(xml: string, options: FlagOptions = {}): Promise<Domain> {
      return (await caller.call('domainDefineXmlFlags', { xml, flags: options.flags ?? 0 }, options)).dom
    },

    /** Starts a transient machine (`CreateFlag`): it leaves no definition behind when it ends. */
    async createXml(xml: string, options: FlagOptions = {}): Promise<Domain> {
      return (await caller.call('domainCreateXml', { xml, flags: options.flags ?? 0 }, options)).dom
    },

    /** Starts a defined machine (`CreateFlag`); the result carries its new id. */
    async create(dom: Domain, options: FlagOptions = {}): Promise<Domain> {
      return (await caller.call('domainCreateWithFlags', { dom, flags: options.flags ?? 0 }, options)).dom
    },

    /** Ends the machine at once (`DestroyFlag`); a transient one is gone with it. */
    async destroy(dom: Domain, options: FlagOptions = {}): Promise<void> {
      await caller.call('domainDestroyFlags', { dom, flags: options.flags ?? 0 }, options)
    },

    /** Asks the guest to power off; whether it does is another matter. */
    async shutdown(dom: Domain, options: CallOptions = {}): Promise<void> {
      await caller.call('domainShutdown', { dom }, options)
    },

    /** Deletes the definition (`UndefineFlag`); a running machine becomes transient. */
    async undefine(dom: Domain, options: FlagOptions = {}): Promise<void> {
      await caller.call('domainUndefineFlags', { dom, flags: options.flags ?? 0 }, options)
    },

    /** Writes the machine's state to a file of libvirtd's host and ends it (`SaveFlag`); its disk stays as it is. */
    async save(dom: Domain, file: string, options: FlagOptions = {}): Promise<void> {
      const args = { dom, to: file, xml: undefined, flags: options.flags ?? 0 }
      await caller.call('domainSaveFlags', args, options)
    },

    /** Starts the machine that `save` wrote to `file` (`SaveFlag`), as often as its disk is as it was then. */
    async restore(file: string, options: FlagOptions = {}): Promise<void> {
      const args = { from: file, xml: undefined, flags: options.flags ?? 0 }
      await caller.call('domainRestoreFlags', args, options)
    },

    async suspend(dom: Domain, options: CallOptions = {}): Promise<void> {
      await caller.call('domainSuspend', { dom }, options)
    },

    async resume(dom: Domain, options: CallOptions = {}): Promise<void> {
      await caller.call('domainResume', { dom }, options)
    },

    async getState(dom: Domain, options: CallOptions = {}): Promise<DomainState> {
      const { state, reason } = await caller.call('domainGetState', { dom, flags: 0 }, options)
      return domainState(state, reason)
    },

    /** The machine's XML as it is now (`XmlFlag`). */
    async getXml(dom: Domain, options: FlagOptions = {}): Promise<string> {
      return (await caller.call('domainGetXmlDesc', { dom, flags: options.flags ?? 0 }, options)).xml
    },

    /** The element kept under `uri`, as XML text (`AffectFlag`). `NO_DOMAIN_METADATA` if there is none. */
    async getMetadata(dom: Domain, options: MetadataOptions): Promise<string> {
      const args = { dom, type: METADATA_ELEMENT, uri: options.uri, flags: options.flags ?? 0 }
      return (await caller.call('domainGetMetadata', args, options)).metadata
    },

    /** Keeps one XML element under `uri`, with namespace prefix `key` (`AffectFlag`); `undefined` removes it. */
    async setMetadata(
      dom: Domain,
      element: string | undefined,
      options: MetadataOptions & { readonly key: string },
    ): Promise<void> {
      const { uri, key, flags = 0 } = options
      await caller.call(
        'domainSetMetadata',
        { dom, type: METADATA_ELEMENT, metadata: element, key, uri, flags },
        options,
      )
    },

    /** Adds the device `xml` describes (`AffectFlag`). */
    async attachDevice(dom: Domain, xml: string, options: FlagOptions = {}): Promise<void> {
      await caller.call('domainAttachDeviceFlags', { dom, xml, flags: options.flags ?? 0 }, options)
    },

    async detachDevice(dom: Domain, xml: string, options: FlagOptions = {}): Promise<void> {
      await caller.call('domainDetachDeviceFlags', { dom, xml, flags: options.flags ?? 0 }, options)
    },

    /** Changes a device in place, for example the link state of an interface (`AffectFlag`). */
    async updateDevice(dom: Domain, xml: string, options: FlagOptions = {}): Promise<void> {
      await caller.call('domainUpdateDeviceFlags', { dom, xml, flags: options.flags ?? 0 }, options)
    },

    /** The groups `StatisticsFlag` selects, of all domains, in one call. */
    async statistics(options: FlagOptions = {}): Promise<readonly Statistics[]> {
      const args = { doms: [], stats: options.flags ?? 0, flags: 0 }
      const { statistics } = await caller.call('connectGetAllDomainStats', args, options)
      return statistics.map(({ dom, params }) => ({
        domain: dom,
        values: new Map(params.map(({ field, value }) => [field, value.value])),
      }))
    },
  }
}
