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
    { name: 'debian-docker', image: 'debian-docker', allowEmulation: true },
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
      idleMin: 0,
      idleAgeMsMax: 43_200_000,
      sharing: 'trust-domain',
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
      'a period’s idle machines above the limit',
      flavor('[[flavor.autoscaling]]', 'periods = ["* * 8 * * * *"]', 'idle_count = 11'),
      'line 10, flavor[1].autoscaling[0].idle_count: is above the limit',
    ],
    [
      'a bad expression of the second period',
      flavor(
        '[[flavor.autoscaling]]',
        'periods = ["* * 8 * * * *"]',
        '[[flavor.autoscaling]]',
        'periods = ["* * 22-6 * * * *"]',
      ),
      'line 11, flavor[1].autoscaling[1].periods[0]: "* * 22-6 * * * *" has the range 22-6, which is empty for GitLab Runner',
    ],
    [
      'five fields, which the runner takes for a second of each minute',
      flavor('[[flavor.autoscaling]]', 'periods = ["* 9-17 * * mon-fri"]'),
      'line 9, flavor[1].autoscaling[0].periods[0]: "* 9-17 * * mon-fri" does not hold for whole minutes: write seven fields',
    ],
    [
      'a time zone that is none',
      flavor('[[flavor.autoscaling]]', 'periods = ["* * 8 * * * *"]', 'timezone = "Berlin"'),
      'line 10, flavor[1].autoscaling[0].timezone: there is no time zone "Berlin"',
    ],
    [
      'a least number of idle machines above the most',
      flavor('idle_count = 1', 'idle_count_min = 2', 'idle_scale_factor = 0.5'),
      'line 9, flavor[1].idle_count_min: is above idle_count (1)',
    ],
    [
      'both names of idle_count',
      flavor('idle = 1', 'idle_count = 1'),
      'line 8, flavor[1].idle: is the short name of idle_count',
    ],
    [
      'more than one job to a machine',
      flavor('max_builds = 5'),
      'line 8, flavor[1].max_builds: must be 1: a machine serves one job and is destroyed',
    ],
    [
      'more than one job to an instance',
      flavor('[flavor.autoscaler]', 'max_use_count = 2', '[[flavor.autoscaler.policy]]'),
      'line 9, flavor[1].autoscaler.max_use_count: must be 1: a machine serves one job and is destroyed',
    ],
    [
      'both autoscalers on one flavor',
      flavor('idle_time_s = 60', '[flavor.autoscaler]', '[[flavor.autoscaler.policy]]', 'idle_count = 1'),
      'line 8, flavor[1].idle_time_s: is Docker Machine’s, and does not go with autoscaler',
    ],
    [
      'two limits',
      flavor('limit = 3', '[flavor.autoscaler]', 'max_instances = 3', '[[flavor.autoscaler.policy]]'),
      'line 8, flavor[1].limit: is autoscaler.max_instances: write one of them',
    ],
    [
      'a duration that is none',
      flavor('[flavor.autoscaler]', '[[flavor.autoscaler.policy]]', 'idle_time = "20"'),
      'line 10, flavor[1].autoscaler.policy[0].idle_time: "20" is no duration: write it as "20m" or "1h30m"',
    ],
    [
      'several jobs at a time on one machine',
      flavor('[flavor.autoscaler]', 'capacity_per_instance = 2', '[[flavor.autoscaler.policy]]'),
      'line 9, flavor[1].autoscaler.capacity_per_instance: must be 1: a machine serves one job at a time',
    ],
    [
      'two flavors of one name',
      '[[flavor]]\nname = "a"\nimage = "a"\n[[flavor]]\nname = "a"\nimage = "b"',
      'flavor: two flavors have the same name',
    ],
    ['no flavor at all', 'flavor = []', 'line 1, flavor: Too small: expected array to have >=1 items'],
  ])('%s', (_, text, detail) => {
    expect(detailOf(text).slice(0, detail.length)).toBe(detail)
  })

  test('and where it is no TOML, where that ends', () => {
    expect(detailOf('run = "/x"\n[[flavor]\n')).toMatch(/^line 2, column \d+: /)
  })
})

describe('a policy', () => {
  const config = (...lines: readonly string[]) =>
    parseConfig(['[[flavor]]', 'name = "a"', 'image = "a"', ...lines].join('\n'), 'f')
  const policyOf = (...lines: readonly string[]) => [...config(...lines).policies.values()][0]

  test('is none for a flavor that only keeps some idle machines', () => {
    expect(config('idle = 2').policies.size).toBe(0)
    expect(config('idle_count = 2').flavors[0]?.idle).toBe(2)
  })

  test('in Docker Machine’s words', () => {
    const policy = policyOf(
      'limit = 30',
      'idle_count = 5',
      'idle_count_min = 1',
      'idle_scale_factor = 1.5',
      'idle_time_s = 600',
      'max_growth_rate = 4',
      'max_builds = 1',
      '[[flavor.autoscaling]]',
      'periods = ["* * 8-17 * * mon-fri *"]',
      'timezone = "Europe/Berlin"',
      'idle_count = 20',
      'idle_time_s = 1800',
    )
    expect(policy).toMatchObject({
      base: {
        dialect: 'docker-machine',
        idleCount: 5,
        idleCountMin: 1,
        idleScaleFactor: 1.5,
        idleTimeMs: 600_000,
      },
      periods: [
        {
          periods: { zone: { name: 'Europe/Berlin' } },
          rules: { idleCount: 20, idleCountMin: 0, idleTimeMs: 1_800_000 },
        },
      ],
      throttle: { kind: 'at-once', machines: 4 },
    })
  })

  test('lets a machine serve several jobs where isolation is waived', () => {
    expect(policyOf('max_builds = 5', 'isolation = "waived"')).toMatchObject({ jobsMax: 5 })
    expect(policyOf('isolation = "waived"')).toBeUndefined()
  })

  test('in taskscaler’s words', () => {
    const lines = [
      '[flavor.autoscaler]',
      'max_instances = 30',
      'max_use_count = 1',
      'capacity_per_instance = 1',
      'scale_throttle = { limit = 10 }',
      '[[flavor.autoscaler.policy]]',
      'idle_count = 5',
      'idle_time = "20m0s"',
      '[[flavor.autoscaler.policy]]',
      'periods = ["* 8-17 * * mon-fri"]',
      'timezone = "America/New_York"',
      'idle_count = 10',
      'scale_factor = 2.0',
      'scale_factor_limit = 20',
      'preemptive_mode = true',
    ]
    expect(config(...lines).flavors[0]?.limit).toBe(30)
    expect(policyOf(...lines)).toMatchObject({
      base: { dialect: 'taskscaler', idleCount: 0, idleTimeMs: 300_000 },
      periods: [
        { rules: { idleCount: 5, idleTimeMs: 1_200_000, preemptive: false } },
        { rules: { idleCount: 10, scaleFactor: 2, scaleFactorLimit: 20, preemptive: true } },
      ],
      throttle: { kind: 'per-second', limit: 10, burst: 30 },
    })
  })

  test.each([
    [
      'a factor of no idle machines',
      ['idle_scale_factor = 1.0'],
      'flavor a: idle_scale_factor has no effect',
    ],
    [
      'a least number without a factor',
      ['idle_count = 2', 'idle_count_min = 1'],
      'idle_count_min has no effect',
    ],
    [
      'a period behind which another always holds',
      [
        '[[flavor.autoscaling]]',
        'periods = ["* * 8 * * * *"]',
        '[[flavor.autoscaling]]',
        'periods = ["* * * * * * *"]',
      ],
      'autoscaling[0] never holds: autoscaling[1] always does',
    ],
    [
      'a factor of all machines below 1',
      ['[flavor.autoscaler]', '[[flavor.autoscaler.policy]]', 'scale_factor = 0.5'],
      'autoscaler.policy[0].scale_factor adds nothing up to 1',
    ],
  ])('that is written without effect is said: %s', (_, lines, words) => {
    expect(config(...lines).warnings).toEqual([expect.stringContaining(words)])
  })
})
