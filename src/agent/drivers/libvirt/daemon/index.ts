export { CLIENT_REQUESTS_MAX } from './configuration.ts'
export { Daemon, terminate } from './daemon.ts'
export { type EnclosedProcess, enclosedProcesses } from './process.ts'
