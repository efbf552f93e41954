/** The agent: one per hypervisor. It makes its host agree with the coordinator's wanted set, and says what is there. */
export { Agent, type AgentOptions, type OnStop } from './agent.ts'
export { type Allegiance, admit, greet, NO_ALLEGIANCE, type Verdict } from './allegiance.ts'
export { type AuditView, audit } from './audit.ts'
export { type AgentConfig, readAgentConfig } from './config.ts'
export type * from './drivers/driver.ts'
export { AgentEvents, type Level, type WriteLine } from './events.ts'
export {
  type BuildWatcher,
  buildImage,
  ImageStore,
  type Recipe,
  readRecipe,
  recipeNames,
} from './images/index.ts'
export { makeKeyPair } from './key-pair.ts'
export { type StartOptions, startAgent } from './main.ts'
export { volatileMemory } from './memory.ts'
export { adopt, auditHost, type OfflineOptions, probeHost } from './offline.ts'
export type { AgentPorts, Door, Memory, Send } from './ports.ts'
export { strays, sweep } from './reap.ts'
export { type Action, type Observed, reconcile } from './reconcile.ts'
export { type MachineRecord, memoryRecords, type Records } from './records.ts'
