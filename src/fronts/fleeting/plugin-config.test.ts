import { describe, expect, test } from 'vitest'
import { readPluginConfig } from './plugin-config.ts'

const read = (value: unknown, env = {}) =>
  readPluginConfig(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)), env)
const refusal = (value: unknown): string => {
  try {
    read(value)
    return 'taken'
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
}

describe('plugin_config', () => {
  test('needs no more than a flavor', () => {
    expect(read({ flavor: 'debian.12' })).toEqual({
      flavor: 'debian.12',
      group: 'debian-12',
      socket: '/run/slipway/lease.sock',
      tokenFile: '/etc/slipway/gitlab.token',
      ttlMs: 180_000,
    })
    expect(read({ flavor: 'x' }, { SLIPWAY_CONFIG: '/c' }).tokenFile).toBe('/c/gitlab.token')
  })

  test('names its group, image, socket, token and time to live', () => {
    const more = { name: 'g', image: 'debian-next', socket: '/s', token_file: '/t', ttl_s: 60 }
    expect(read({ flavor: 'x', ...more })).toEqual({
      flavor: 'x',
      group: 'g',
      image: 'debian-next',
      socket: '/s',
      tokenFile: '/t',
      ttlMs: 60_000,
    })
  })

  test.each([
    ['', 'flavor: is missing: which flavor of coordinator.toml'],
    [{}, 'flavor: is missing'],
    ['{', 'it is no JSON'],
    ['[]', 'it: '],
    ['null', 'it: '],
    [{ flavor: 'x', flavour: 'y' }, 'Unrecognized key: "flavour"'],
    [{ flavor: 'X' }, 'flavor: must be a flavor of coordinator.toml'],
    [{ flavor: 'x', name: 'a.b' }, 'name: must be up to 63 of'],
    [{ flavor: 'x', socket: 'relative' }, 'socket: must be an absolute path'],
    [{ flavor: 'x', ttl_s: 1 }, 'ttl_s: '],
    [{ flavor: 'x', ttl_s: '60' }, 'ttl_s: '],
    [{ flavor: 1, image: 2, name: 3, socket: 4, token_file: 5, ttl_s: 'a' }, 'and 1 more'],
    ['{"__proto__":{"flavor":"x"}}', 'flavor: is missing'],
  ])('%j is refused, and says why', (value, says) => {
    expect(refusal(value)).toMatch(/^configuration plugin_config is refused: /)
    expect(refusal(value)).toContain(says)
  })

  test('larger than its limit is refused unread', () => {
    expect(refusal(`{"flavor":"${'x'.repeat(70_000)}"}`)).toBe(
      'plugin_config is larger than the limit of 65536 bytes',
    )
  })

  test('with a long list of unknown keys is refused in few words', () => {
    const keys = Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [`key${n}`, n]))
    expect(refusal({ flavor: 'x', ...keys }).length).toBeLessThan(1_000)
  })
})
