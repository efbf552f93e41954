export { CLIENT_REQUESTS_MAX } from './configuration.ts'
export { Daemon, type DaemonOptions, terminate } from './daemon.ts'
export { type EnclosedProcess, enclosedProcesses } from './process.ts'
