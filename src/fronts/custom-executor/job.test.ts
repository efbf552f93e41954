import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isId } from '../../model/index.ts'
import { exitCodesOf, jobOf } from './job.ts'

const response = (more = {}) =>
  JSON.stringify({ id: 7, token: 'glcbt-secret', runner_info: { timeout: 60 }, ...more })

test('a job has one lease name over all its stages, which tells nothing of its token', () => {
  const job = jobOf(response(), {})
  expect(job).toEqual(jobOf(response(), { CUSTOM_ENV_ANYTHING: 'else' }))
  expect(job.lease).toMatch(/^gitlab-7-[0-9a-f]{16}$/)
  expect(job.lease).not.toContain('secret')
})

test('equal job ids of two GitLabs are two leases', () => {
  expect(jobOf(response({ token: 'other' }), {}).lease).not.toBe(jobOf(response(), {}).lease)
})

test("no variable of a job changes its lease, so that none can name another job's", () => {
  const names = [
    'CI_JOB_ID',
    'CI_JOB_TOKEN',
    'CI_RUNNER_ID',
    'JOB_RESPONSE_FILE',
    'CI_JOB_IMAGE',
    'SLIPWAY_FLAVOR',
  ]
  const { lease } = jobOf(response(), {})
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.string(), (name, value) => {
      expect(jobOf(response(), { [`CUSTOM_ENV_${name}`]: value }).lease).toBe(lease)
    }),
  )
})

test('any response is either a job with a well-formed lease name or refused', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        fc.integer().map((id) => response({ id })),
      ),
      (text) => {
        try {
          expect(isId('LeaseName', jobOf(text, {}).lease)).toBe(true)
        } catch (error) {
          expect(error).toMatchObject({ name: 'SlipwayError' })
        }
      },
    ),
  )
})

test('the wish is what the job says, and empty where it says nothing', () => {
  expect(jobOf(response(), { CUSTOM_ENV_CI_JOB_IMAGE: '' }).wish).toEqual({})
  const env = { CUSTOM_ENV_CI_JOB_IMAGE: 'debian:12', CUSTOM_ENV_SLIPWAY_FLAVOR: 'large' }
  expect(jobOf(response(), env).wish).toEqual({ image: 'debian:12', flavor: 'large' })
})

test('exit codes are those the runner names', () => {
  const env = { BUILD_FAILURE_EXIT_CODE: '11', SYSTEM_FAILURE_EXIT_CODE: '12' }
  expect(exitCodesOf(env)).toEqual({ buildFailure: 11, systemFailure: 12 })
  expect(exitCodesOf({ BUILD_FAILURE_EXIT_CODE: '0' })).toEqual({ buildFailure: 1, systemFailure: 2 })
})
