// Generated from protocol/libvirt.protocol by: sh bin/node src/libvirt/protocol/generate.ts. Do not edit.
import { uuid } from '../uuid.ts'
import { array, f64, fixedArray, i32, i64, optional, string, struct, u32, u64, union } from '../xdr/index.ts'

const text = string(4194304)

export const Domain = struct({ name: text, uuid: uuid, id: i32 })

export const Network = struct({ name: text, uuid: uuid })

export const ErrorReply = struct({ code: i32, domain: i32, message: optional(text), level: i32, dom: optional(Domain), str1: optional(text), str2: optional(text), str3: optional(text), int1: i32, int2: i32, net: optional(Network) })

export const TypedValue = union({ 1: i32, 2: u32, 3: i64, 4: u64, 5: f64, 6: i32, 7: text })

export const TypedParameter = struct({ field: text, value: TypedValue })

export const DomainStatistics = struct({ dom: Domain, params: array(TypedParameter, 262144) })

export const LifecycleChange = struct({ dom: Domain, event: i32, detail: i32 })

/** Calls: what goes out, what comes back. */
export const procedures = {
  connectOpen: { program: 0x20008086, version: 1, procedure: 1, args: struct({ name: optional(text), flags: u32 }), reply: struct({}) },
  connectClose: { program: 0x20008086, version: 1, procedure: 2, args: struct({}), reply: struct({}) },
  connectGetVersion: { program: 0x20008086, version: 1, procedure: 4, args: struct({}), reply: struct({ hypervisorVersion: u64 }) },
  nodeGetInfo: { program: 0x20008086, version: 1, procedure: 6, args: struct({}), reply: struct({ model: fixedArray(i32, 32), memoryKiB: u64, cpus: i32, mhz: i32, nodes: i32, sockets: i32, cores: i32, threads: i32 }) },
  connectGetCapabilities: { program: 0x20008086, version: 1, procedure: 7, args: struct({}), reply: struct({ capabilities: text }) },
  domainCreateXml: { program: 0x20008086, version: 1, procedure: 10, args: struct({ xml: text, flags: u32 }), reply: struct({ dom: Domain }) },
  domainGetXmlDesc: { program: 0x20008086, version: 1, procedure: 14, args: struct({ dom: Domain, flags: u32 }), reply: struct({ xml: text }) },
  domainLookupByName: { program: 0x20008086, version: 1, procedure: 23, args: struct({ name: text }), reply: struct({ dom: Domain }) },
  domainLookupByUuid: { program: 0x20008086, version: 1, procedure: 24, args: struct({ uuid: uuid }), reply: struct({ dom: Domain }) },
  domainResume: { program: 0x20008086, version: 1, procedure: 28, args: struct({ dom: Domain }), reply: struct({}) },
  domainShutdown: { program: 0x20008086, version: 1, procedure: 33, args: struct({ dom: Domain }), reply: struct({}) },
  domainSuspend: { program: 0x20008086, version: 1, procedure: 34, args: struct({ dom: Domain }), reply: struct({}) },
  connectGetHostname: { program: 0x20008086, version: 1, procedure: 59, args: struct({}), reply: struct({ hostname: text }) },
  connectSupportsFeature: { program: 0x20008086, version: 1, procedure: 60, args: struct({ feature: i32 }), reply: struct({ supported: i32 }) },
  authList: { program: 0x20008086, version: 1, procedure: 66, args: struct({}), reply: struct({ types: array(i32, 20) }) },
  connectGetUri: { program: 0x20008086, version: 1, procedure: 110, args: struct({}), reply: struct({ uri: text }) },
  connectGetLibVersion: { program: 0x20008086, version: 1, procedure: 157, args: struct({}), reply: struct({ libVersion: u64 }) },
  domainAttachDeviceFlags: { program: 0x20008086, version: 1, procedure: 160, args: struct({ dom: Domain, xml: text, flags: u32 }), reply: struct({}) },
  domainDetachDeviceFlags: { program: 0x20008086, version: 1, procedure: 161, args: struct({ dom: Domain, xml: text, flags: u32 }), reply: struct({}) },
  domainUpdateDeviceFlags: { program: 0x20008086, version: 1, procedure: 174, args: struct({ dom: Domain, xml: text, flags: u32 }), reply: struct({}) },
  domainCreateWithFlags: { program: 0x20008086, version: 1, procedure: 196, args: struct({ dom: Domain, flags: u32 }), reply: struct({ dom: Domain }) },
  domainGetState: { program: 0x20008086, version: 1, procedure: 212, args: struct({ dom: Domain, flags: u32 }), reply: struct({ state: i32, reason: i32 }) },
  domainUndefineFlags: { program: 0x20008086, version: 1, procedure: 231, args: struct({ dom: Domain, flags: u32 }), reply: struct({}) },
  domainSaveFlags: { program: 0x20008086, version: 1, procedure: 232, args: struct({ dom: Domain, to: text, xml: optional(text), flags: u32 }), reply: struct({}) },
  domainRestoreFlags: { program: 0x20008086, version: 1, procedure: 233, args: struct({ from: text, xml: optional(text), flags: u32 }), reply: struct({}) },
  domainDestroyFlags: { program: 0x20008086, version: 1, procedure: 234, args: struct({ dom: Domain, flags: u32 }), reply: struct({}) },
  domainSetMetadata: { program: 0x20008086, version: 1, procedure: 264, args: struct({ dom: Domain, type: i32, metadata: optional(text), key: optional(text), uri: optional(text), flags: u32 }), reply: struct({}) },
  domainGetMetadata: { program: 0x20008086, version: 1, procedure: 265, args: struct({ dom: Domain, type: i32, uri: optional(text), flags: u32 }), reply: struct({ metadata: text }) },
  connectListAllDomains: { program: 0x20008086, version: 1, procedure: 273, args: struct({ needResults: i32, flags: u32 }), reply: struct({ domains: array(Domain, 16384), count: u32 }) },
  connectDomainEventCallbackRegisterAny: { program: 0x20008086, version: 1, procedure: 316, args: struct({ eventId: i32, dom: optional(Domain) }), reply: struct({ callbackId: i32 }) },
  connectGetDomainCapabilities: { program: 0x20008086, version: 1, procedure: 342, args: struct({ emulator: optional(text), arch: optional(text), machine: optional(text), virtType: optional(text), flags: u32 }), reply: struct({ capabilities: text }) },
  connectGetAllDomainStats: { program: 0x20008086, version: 1, procedure: 344, args: struct({ doms: array(Domain, 16384), stats: u32, flags: u32 }), reply: struct({ statistics: array(DomainStatistics, 16384) }) },
  domainDefineXmlFlags: { program: 0x20008086, version: 1, procedure: 350, args: struct({ xml: text, flags: u32 }), reply: struct({ dom: Domain }) },
  domainMonitorCommand: { program: 0x20008087, version: 1, procedure: 1, args: struct({ dom: Domain, command: text, flags: u32 }), reply: struct({ result: text }) },
  domainAgentCommand: { program: 0x20008087, version: 1, procedure: 3, args: struct({ dom: Domain, command: text, timeoutSeconds: i32, flags: u32 }), reply: struct({ result: optional(text) }) },
} as const

/** Calls that leave a byte stream open. */
export const streams = {
  domainOpenConsole: { program: 0x20008086, version: 1, procedure: 201, args: struct({ dom: Domain, device: optional(text), flags: u32 }), reply: struct({}) },
} as const

/** Messages libvirtd sends unasked. */
export const events = {
  domainEventCallbackLifecycle: { program: 0x20008086, version: 1, procedure: 318, payload: struct({ callbackId: i32, change: LifecycleChange }) },
  domainEventCallbackAgentLifecycle: { program: 0x20008086, version: 1, procedure: 348, payload: struct({ callbackId: i32, dom: Domain, state: i32, reason: i32 }) },
  keepalivePing: { program: 0x6b656570, version: 1, procedure: 1, payload: struct({}) },
  keepalivePong: { program: 0x6b656570, version: 1, procedure: 2, payload: struct({}) },
} as const
