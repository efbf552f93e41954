/**
 * What is said on a plugin's connection: fleeting's instance group (package `proto`, read from the library of
 * 2025-09-10), go-plugin's broker, stdio and controller, and gRPC's health check. Names are those of the wire.
 */
import { bytes, choice, flag, int64, message, nested, text, texts, uint32 } from './protobuf.ts'

export const empty = message({})

const connectorConfig = message({
  os: text(1),
  arch: text(2),
  protocol: text(3),
  username: text(4),
  password: text(5),
  key: bytes(6),
  useStaticCredentials: flag(7),
  /** Nanoseconds, both. */
  keepalive: int64(8),
  timeout: int64(9),
  protocolPort: int64(10),
})

export const initRequest = message({
  /** `plugin_config` as JSON. */
  config: bytes(1),
  settings: nested(2, message({ connectorConfig: nested(1, connectorConfig) })),
})

export const initResponse = message({ id: text(1), maxSize: uint32(2), version: text(3), buildInfo: text(4) })

export const updateResponse = message({
  instance: text(1),
  state: choice(2, ['creating', 'running', 'deleting', 'deleted', 'timeout']),
})

export const increaseRequest = message({ n: uint32(1) })
export const increaseResponse = message({ succeeded: uint32(1) })

export const decreaseRequest = message({ instances: texts(1) })
export const decreaseResponse = message({ succeeded: texts(1) })

/** Of ConnectInfo and of Heartbeat. */
export const instanceRequest = message({ instance: text(1) })

export const connectInfoResponse = message({
  connector: nested(1, connectorConfig),
  externalAddr: text(2),
  internalAddr: text(3),
  /** Seconds since 1970; 0: never. */
  expires: int64(4),
})

/** Of the broker: nothing of it is used by this kind of plugin. */
export const connInfo = message({ serviceId: uint32(1), network: text(2), address: text(3) })

export const stdioData = message({ channel: choice(1, ['INVALID', 'STDOUT', 'STDERR']), data: bytes(2) })

export const healthRequest = message({ service: text(1) })
export const healthResponse = message({
  status: choice(1, ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']),
})
