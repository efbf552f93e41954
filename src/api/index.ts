/** The API described once. Types are free to import; `schemas` and `stream` load a schema library, `client` does not. */
export { type CallOptions, type Client, connect, type Reply } from './client.ts'
export {
  AGENT_PATH,
  AGENT_STREAM_PATH,
  CONSOLE_PATH,
  type EndpointName,
  endpointNames,
  endpoints,
  OPENAPI_PATH,
  type Scope,
} from './endpoints.ts'
export type { LeaseView, MachineView, Problem, Schemas, TemplateView } from './schemas.ts'
export type { Finding, FromAgent, FromCoordinator, MachineReportFrame } from './stream.ts'
