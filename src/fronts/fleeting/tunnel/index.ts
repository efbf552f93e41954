export { isOnThisHost } from './on-this-host.ts'
export { Tunnels } from './tunnels.ts'
