import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
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
const refusal = async (text: string) => {
  const error: unknown = await read(text).catch((error: unknown) => error)
  const { code, args } = error as { code?: string; args?: Record<string, string> }
  return [code, args?.file?.replace(dir, ''), args?.detail]
}

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

it('refuses an unknown key with its line, in a table too', async () => {
  expect(await refusal('host = "a"\nhots = "b"\n')).toEqual([
    'bad_config',
    '/agent.toml:2',
    'unknown key hots',
  ])
  expect(await refusal('[limits]\nboot_s = 20\nbot_s = 3\n')).toEqual([
    'bad_config',
    '/agent.toml:3',
    'unknown key limits.bot_s',
  ])
  expect(await refusal('\n[limit]\nboot_s = 20\n')).toEqual([
    'bad_config',
    '/agent.toml:2',
    'unknown key limit',
  ])
})

it('refuses a wrong value with its line', async () => {
  for (const [text, line] of [
    ['host = "../../etc"', 1],
    ["host = 'a'\nstate = 'relative'", 2],
    ['[network]\nuplink = "10.0.0.0/99"', 2],
    ['[libvirt]\n\nuid_base = 0', 3],
    ['driver = "docker"', 1],
  ] as const) {
    expect((await refusal(text)).slice(0, 2)).toEqual(['bad_config', `/agent.toml:${line}`])
  }
})

it('refuses what is no TOML, with its line', async () => {
  expect((await refusal('host = "a"\n= 3\n')).slice(0, 2)).toEqual(['bad_config', '/agent.toml:2'])
})
