/** The agent: one per hypervisor. It makes its host agree with the coordinator's wanted set, and says what is there. */
export { type AgentConfig, agentSettings, readAgentConfig } from './config.ts'
export type * from './drivers/driver.ts'
export { buildImage, ImageStore, type ImageWords, imageWords, importImage } from './images/index.ts'
export { startAgent } from './main.ts'
export { adopt, auditHost, imagesInUse, probeHost } from './offline.ts'
