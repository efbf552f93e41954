/** What the operator wrote, and what it allows. */
import { join } from 'node:path'
import { type AgentConfig, readAgentConfig } from '../../agent/index.ts'
import { type Config, readConfig } from '../../coordinator/index.ts'
import { type Check, type Configuration, fail, ok, unless, warn } from './check.ts'

/** A folder that holds no configuration: all defaults. */
const NOWHERE = '/nonexistent'

/** Both files; a refused one is told, and its defaults are looked at. */
export async function readConfiguration(folder: string): Promise<Configuration> {
  const problems: string[] = []
  const tell = (error: unknown): undefined =>
    void problems.push(error instanceof Error ? error.message : String(error))
  const agent: AgentConfig = (await readAgentConfig(folder).catch(tell)) ?? (await readAgentConfig(NOWHERE))
  const coordinator: Config = (await readConfig(folder).catch(tell)) ?? (await readConfig(NOWHERE))
  const { uid_base, uid_count } = agent.libvirt
  return {
    problems,
    files: ['coordinator.toml', 'agent.toml'].map((name) => join(folder, name)),
    run: coordinator.run,
    state: agent.state,
    images: agent.images,
    uids: { first: uid_base, last: uid_base + uid_count - 1 },
    emulated: coordinator.flavors.filter(({ allowEmulation }) => allowEmulation).map(({ name }) => name),
  }
}

export const configuration: readonly Check[] = [
  {
    name: 'configuration',
    why: 'a refused file keeps its process from starting',
    remedy: 'correct the named key; every key has a default',
    async look({ configuration: { problems, files } }) {
      return problems.length === 0
        ? ok(`${files.join(' and ')} are good, or absent`)
        : fail(problems.join('; '))
    },
  },
  {
    name: 'virtualization',
    why: 'without hardware virtualization guests are emulated: many times slower, and no security boundary',
    remedy:
      'enable VT-x or AMD-V in the firmware, load kvm_intel or kvm_amd; on a cloud machine allow nesting',
    hardening: true,
    async look(host) {
      const found = await host.acceleration()
      if (found === undefined) return warn('only root, or a running agent, can tell')
      return unless(found.kind === 'hardware', 'warn', `${found.kind}: ${found.evidence}`)
    },
  },
  {
    name: 'cloning',
    why: 'a clone is ready in a tenth of the time of a boot; one that copies its memory takes longer and holds all of it',
    remedy: 'install a QEMU of version 10 or newer: Debian has it in its backports',
    async look(host) {
      const found = await host.cloning()
      if (found === undefined) return warn('only root, or a running agent, can tell')
      return unless(found.mode === 'shared-memory', 'warn', `${found.mode}: ${found.evidence}`)
    },
  },
  {
    name: 'emulation',
    why: 'QEMU’s own security policy excludes emulation: a hostile job may get out of an emulated guest',
    remedy: 'set allow_emulation = false for flavors that run jobs of people you do not trust',
    hardening: true,
    async look({ configuration: { emulated } }) {
      return emulated.length === 0 ? ok('no flavor allows it') : warn(`allowed for ${emulated.join(', ')}`)
    },
  },
]
