import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { SlipwayError } from '../model/index.ts'
import { readAgentConfig } from './config.ts'

let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'agent-config-'))
})
afterAll(() => rm(dir, { recursive: true }))

const read = async (text: string) => {
  await writeFile(join(dir, 'agent.toml'), text)
  return readAgentConfig(dir)
}
const refusal = (text: string) => read(text).catch((error: unknown) => (error as SlipwayError).args.detail)

it('needs no file, and has a default for every key', async () => {
  expect(await readAgentConfig(join(dir, 'none'))).toMatchObject({
    host: 'local',
    driver: 'libvirt',
    state: '/var/lib/slipway/agent',
    network: { uplink: '100.64.0.0/16' },
    libvirt: { uid_base: 200_000 },
    limits: { vcpu_overcommit: 4 },
  })
})

it('takes what the operator says, and keeps the other defaults of its table', async () => {
  const config = await read('host = "kvm1"\n[limits]\nboot_s = 20\n')
  expect(config).toMatchObject({ host: 'kvm1', limits: { boot_s: 20, memory_reserve_mib: 1_024 } })
})

it('refuses what it does not know, and what cannot be, with its line and key', async () => {
  for (const [text, detail] of [
    ['host = "a"\nhots = "b"\n', 'line 2, hots: unknown key'],
    ['[limits]\nboot_s = 20\nbot_s = 3\n', 'line 3, limits.bot_s: unknown key'],
    ['\n[limit]\nboot_s = 20\n', 'line 2, limit: unknown key'],
    ['host = "../../etc"', 'line 1, host: '],
    ["host = 'a'\nstate = 'relative'", 'line 2, state: '],
    ['[network]\nuplink = "10.0.0.0/99"', 'line 2, network.uplink: '],
    ['[libvirt]\n\nuid_base = 0', 'line 3, libvirt.uid_base: '],
    ['driver = "docker"', 'line 1, driver: '],
  ] as const) {
    expect(await refusal(text)).toContain(detail)
  }
})
