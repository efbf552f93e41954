import { expect, test } from 'vitest'
import { fakeCoordinator, slipway } from '../../../test/cli/fake-coordinator.ts'

const [A, B] = ['01j8zk5v7x9q2m4n6p8r0s1t3v', '01j9zk5v7x9q2m4n6p8r0s1t3v'].map((ulid) => `t-${ulid}`)
const shape = { image: `sha256:${'0'.repeat(64)}`, vcpus: 1, memoryMiB: 256, diskGiB: 1, sharing: 'host' }
const made = (id: string | undefined, flavors: readonly string[]) => ({
  host: 'h1',
  image: 'tiny',
  flavors,
  template: {
    ...{ state: 'ready', id, shape, mode: 'shared-memory', builtAtMs: 0, clones: 3, diskMiB: 41.6 },
  },
})
const templates = [
  made(A, ['tiny']),
  made(B, ['small']),
  { host: 'h1', flavors: ['debian'], template: { state: 'building', shape, progressPercent: 40 } },
  { host: 'h1', flavors: ['big'], template: { state: 'waiting', shape, reason: 'failed' } },
]
const answers = {
  'GET /v1/templates': { body: { templates } },
  [`POST /v1/templates/${A}/rebuild`]: { body: templates[0] },
  [`DELETE /v1/templates/${B}`]: { body: templates[1] },
}

test('template ls shows what there is, what is being built and what waits, and why', async () => {
  await using fake = await fakeCoordinator(answers)
  const { code, stdout } = await slipway(['template', 'ls'], { SLIPWAY_SOCKET: fake.socket })
  expect(code).toBe(0)
  expect(stdout).toMatch(new RegExp(`^${A} +ready +tiny +tiny +h1 +.* 3 +42 MiB`, 'm'))
  expect(stdout).toMatch(/^- +building, 40 % +sha256:0+ +debian/m)
  expect(stdout).toMatch(/^- +failed, tried again later.* +big/m)
})

test('template rebuild takes a flavor, template rm the start of an id', async () => {
  await using fake = await fakeCoordinator(answers)
  const env = { SLIPWAY_SOCKET: fake.socket }
  expect(await slipway(['template', 'rebuild', 'tiny'], env)).toMatchObject({ code: 0, stdout: `${A}\n` })
  expect(await slipway(['template', 'rm', '01j9'], env)).toMatchObject({ code: 0, stdout: `${B}\n` })
  expect(await slipway(['template', 'rm', '01j'], env)).toMatchObject({ code: 1 })
  expect(await slipway(['template', 'rm', 'nothing'], env)).toMatchObject({ code: 4 })
})
