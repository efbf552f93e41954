/** What asks for machines on behalf of others: each front translates onto one resource, the lease. */
export { customExecutor, type StageCall, type StageName } from './custom-executor/index.ts'
export { fleetingPlugin, type PluginCall } from './fleeting/index.ts'
