/**
 * A client for libvirt's RPC in TypeScript alone: no native code, nothing but Node.
 *
 *   domains · host · qemu · openConsole          typed layer over the procedures
 *   ResidentConnection                           a Connection that comes back by itself
 *   Connection                                   one socket, opened on one URI
 *   Rpc          CallTable · LibvirtStream · KeepAlive · events
 *   message      header + payload                FrameSplitter: bytes → frames
 *   generated/protocol                           one table: name → number, argument codec, reply codec
 *   xdr                                          codecs as values (RFC 4506)
 *
 *   const connection = await Connection.open({
 *     socketPath: '/run/libvirt/libvirt-sock',
 *     uri: 'qemu:///system',
 *     on: { lifecycle: (event) => inbox.push(event) },
 *   })
 *   const machine = await domains(connection).createXml(xml, { flags: CreateFlag.paused })
 *   await qemu(connection).monitor(machine, { execute: 'query-status' })
 *
 * A call that is not in the typed layer is `connection.call(name, args)`; one that is not in the
 * table is a line in protocol/libvirt.protocol.
 */

export type { BackOff } from './back-off.ts'
export {
  type Arguments,
  type Caller,
  type CallOptions,
  Connection,
  type ConnectionOptions,
  type Procedure,
  type Reply,
} from './connection.ts'
export { type ConsoleOptions, openConsole } from './console.ts'
export { domains, type FlagOptions, type MetadataOptions, type Statistics } from './domains.ts'
export {
  type ConnectionErrorCode,
  LibvirtConnectionError,
  LibvirtError,
  LibvirtProtocolError,
  type ProtocolErrorCode,
  QemuCommandError,
  type QemuErrorCode,
} from './error.ts'
export { ErrorDomain, ErrorNumber } from './error-number.ts'
export type { AgentLifecycleEvent, Domain, EventListeners, LifecycleEvent } from './event.ts'
export {
  AffectFlag,
  ConsoleFlag,
  CreateFlag,
  DefineFlag,
  DestroyFlag,
  ListFlag,
  SaveFlag,
  StatisticsFlag,
  UndefineFlag,
  XmlFlag,
} from './flag.ts'
export {
  type DomainCapabilitiesOptions,
  host,
  type NodeInfo,
} from './host.ts'
export type { KeepAliveOptions } from './keep-alive.ts'
export type { DomainState, DomainStateName, LifecycleName } from './names.ts'
export { type AgentOptions, type QemuCommand, qemu, type ReplyOptions } from './qemu.ts'
export { ResidentConnection, type ResidentListeners, type ResidentOptions } from './resident-connection.ts'
export type { LibvirtStream } from './stream.ts'
