/** What the README tells people to write is accepted as it stands. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readAgentConfig } from '../src/agent/index.ts'
import { declarations } from '../src/cli/declarations.ts'
import { readConfig } from '../src/coordinator/index.ts'

const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8')
const blocks = [...readme.matchAll(/```toml\n([\s\S]*?)```/g)].map(([, text = '']) => text)

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-readme-'))
  writeFileSync(join(folder, 'coordinator.toml'), blocks[0] ?? '')
  writeFileSync(join(folder, 'agent.toml'), blocks[1] ?? '')
})
afterAll(() => rmSync(folder, { recursive: true }))

test('its coordinator.toml is good', async () => {
  expect((await readConfig(folder)).flavors).toMatchObject([{ name: 'build', idle: 1 }])
})

test('its agent.toml is good', async () => {
  const { limits } = await readAgentConfig(folder)
  expect(limits).toMatchObject({ memory_reserve_mib: 4096, vcpu_overcommit: 2 })
})

test('every command it names is there', () => {
  const names = new Set(declarations.flatMap(({ name }) => [name, name.split(' ')[0]]))
  const named = [...readme.matchAll(/\bslipway ([a-z-]+)/g)].map(([, name]) => name)
  expect(named.filter((name) => !names.has(name))).toEqual([])
})
