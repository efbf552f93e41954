/** GitLab Runner's fleeting plugin: instances of an autoscaler's group as leases. */
export { fleetingPlugin, type PluginCall } from './fleeting.ts'
