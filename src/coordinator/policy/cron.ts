/** A set of seconds, written as cron does. Two dialects make one: gitlab-runner's and taskscaler's. */
import { SlipwayError } from '../../model/index.ts'
import type { LocalTime } from './local-time.ts'

export interface Cron {
  /** As it was written. */
  readonly text: string
  toJSON(): string
  /** True in each second that it names. */
  matches(time: LocalTime): boolean
  /** It names every second there is. */
  readonly always: boolean
}

/** A mistake in an expression: `bad_request`, whose detail a configuration file's refusal repeats. */
export const refusedCron = (text: string, why: string): SlipwayError =>
  new SlipwayError('bad_request', { detail: `"${text}" ${why}` })

export const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
export const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
