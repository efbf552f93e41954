/** The services of a plugin's connection, in the form that the gRPC library wants. */
import type { MethodDefinition } from '@grpc/grpc-js'
import * as messages from './messages.ts'
import type { Codec } from './protobuf.ts'

type Kind = 'unary' | 'from-server' | 'both-ways'

function method<In, Out>(
  path: string,
  kind: Kind,
  request: Codec<In>,
  response: Codec<Out>,
): MethodDefinition<In, Out> {
  return {
    path,
    requestStream: kind === 'both-ways',
    responseStream: kind !== 'unary',
    requestSerialize: request.encode,
    requestDeserialize: request.decode,
    responseSerialize: response.encode,
    responseDeserialize: response.decode,
  }
}

const group = <In, Out>(name: string, request: Codec<In>, response: Codec<Out>) =>
  method(`/proto.InstanceGroup/${name}`, 'unary', request, response)

const { empty, instanceRequest } = messages

export const instanceGroup = {
  init: group('Init', messages.initRequest, messages.initResponse),
  update: method('/proto.InstanceGroup/Update', 'from-server', empty, messages.updateResponse),
  increase: group('Increase', messages.increaseRequest, messages.increaseResponse),
  decrease: group('Decrease', messages.decreaseRequest, messages.decreaseResponse),
  connectInfo: group('ConnectInfo', instanceRequest, messages.connectInfoResponse),
  heartbeat: group('Heartbeat', instanceRequest, empty),
  shutdown: group('Shutdown', empty, empty),
} as const

/** What go-plugin's client expects of every plugin. */
export const goPlugin = {
  broker: method('/plugin.GRPCBroker/StartStream', 'both-ways', messages.connInfo, messages.connInfo),
  stdio: method('/plugin.GRPCStdio/StreamStdio', 'from-server', empty, messages.stdioData),
  controller: method('/plugin.GRPCController/Shutdown', 'unary', empty, empty),
  health: method('/grpc.health.v1.Health/Check', 'unary', messages.healthRequest, messages.healthResponse),
} as const
