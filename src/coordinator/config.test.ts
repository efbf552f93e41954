import { describe, expect, test } from 'vitest'
import { SlipwayError } from '../model/index.ts'
import { parseConfig } from './config.ts'

const detailOf = (text: string): string => {
  try {
    parseConfig(text, 'coordinator.toml')
    return 'accepted'
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error
    expect(error.code).toBe('bad_config')
    return String(error.args.detail)
  }
}

test('nothing written is a configuration for a first try', () => {
  const config = parseConfig('', 'coordinator.toml')
  expect(config).toMatchObject({ state: '/var/lib/slipway/coordinator', run: '/run/slipway', trial: true })
  expect(config.flavors.map(({ name, image, allowEmulation }) => ({ name, image, allowEmulation }))).toEqual([
    { name: 'debian', image: 'debian', allowEmulation: true },
    { name: 'tiny', image: 'tiny', allowEmulation: true },
  ])
})

test('what is written is what holds', () => {
  const text = `
    state = "/srv/slipway"
    [[flavor]]
    name = "small"
    image = "debian"
    vcpus = 1
    memory_mib = 512
    disk_gib = 4
    allow = ["gitlab.example.org:443", "10.0.0.5:22", "[fd00::1]:443"]
    limit = 3
    idle = 1`
  expect(parseConfig(text, 'f')).toMatchObject({ state: '/srv/slipway', trial: false })
  expect(parseConfig(text, 'f').flavors).toEqual([
    {
      name: 'small',
      image: 'debian',
      vcpus: 1,
      memoryMiB: 512,
      diskGiB: 4,
      network: { allow: ['gitlab.example.org:443', '10.0.0.5:22', '[fd00::1]:443'] },
      limit: 3,
      idle: 1,
      allowEmulation: false,
    },
  ])
})

describe('a mistake is named with its line and its key', () => {
  const flavor = (...lines: readonly string[]): string =>
    ['[[flavor]]', 'name = "a"', 'image = "a"', '', '[[flavor]]', 'name = "b"', 'image = "b"', ...lines].join(
      '\n',
    )
  test.each([
    ['an unknown key at the top', 'run = "/run/x"\nstat = "/x"', 'line 2, stat: unknown key'],
    ['an unknown key of a flavor', flavor('memory = 5'), 'line 8, flavor[1].memory: unknown key'],
    [
      'a number that is none',
      flavor('vcpus = "two"'),
      'line 8, flavor[1].vcpus: Invalid input: expected number, received string',
    ],
    [
      'a number out of range',
      flavor('disk_gib = 0'),
      'line 8, flavor[1].disk_gib: Too small: expected number to be >=1',
    ],
    ['a relative path', 'run = "run"', 'line 1, run: must be an absolute path'],
    [
      'a missing name',
      '[[flavor]]\nimage = "a"',
      'line 1, flavor[0].name: Invalid input: expected string, received undefined',
    ],
    [
      'a name that is a path',
      '[[flavor]]\nname = "../a"\nimage = "a"',
      'line 2, flavor[0].name: must be lower-case letters, digits, ".", "_" or "-"',
    ],
    [
      'an image that is an option',
      '[[flavor]]\nname = "a"\nimage = "-a"',
      'line 3, flavor[0].image: must be the name of an image',
    ],
    [
      'an address without a port',
      flavor('allow = ["10.0.0.1"]'),
      'line 8, flavor[1].allow[0]: must be host:port',
    ],
    [
      'a port that cannot be',
      flavor('allow = ["a:70000"]'),
      'line 8, flavor[1].allow[0]: has no port above 65535',
    ],
    ['more idle than allowed', flavor('limit = 1', 'idle = 2'), 'line 9, flavor[1].idle: is above the limit'],
    [
      'two flavors of one name',
      '[[flavor]]\nname = "a"\nimage = "a"\n[[flavor]]\nname = "a"\nimage = "b"',
      'flavor: two flavors have the same name',
    ],
    ['no flavor at all', 'flavor = []', 'line 1, flavor: Too small: expected array to have >=1 items'],
  ])('%s', (_, text, detail) => {
    expect(detailOf(text)).toBe(detail)
  })

  test('and where it is no TOML, where that ends', () => {
    expect(detailOf('run = "/x"\n[[flavor]\n')).toMatch(/^line 2, column \d+: /)
  })
})
