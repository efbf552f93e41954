/** Values of a policy's keys: cron expressions, time zones, durations, each refused with its reason. */
import { z } from 'zod'
import { assert, SlipwayError } from '../../model/index.ts'
import { type Cron, refusedCron } from './cron.ts'
import { parseDuration } from './duration.ts'
import { Zone } from './local-time.ts'
import { parseRunnerCron } from './runner-cron.ts'

const EXPRESSIONS_MAX = 50
const CRON_CHARS_MAX = 200
const ZONE_CHARS_MAX = 64

export const periodsIn = (parse: (text: string) => Cron) =>
  z
    .array(
      z
        .string()
        .max(CRON_CHARS_MAX)
        .transform((text, context): Cron => {
          try {
            return parse(text)
          } catch (error) {
            if (!(error instanceof SlipwayError)) throw error
            context.addIssue({ code: 'custom', message: String(error.args.detail) })
            return z.NEVER
          }
        }),
    )
    .min(1, 'names no period: leave it out, or write when it holds')
    .max(EXPRESSIONS_MAX)

export const zone = z
  .string()
  .max(ZONE_CHARS_MAX)
  .transform((name, context): Zone => {
    const known = Zone.open(name)
    if (known) return known
    context.addIssue({
      code: 'custom',
      message: `there is no time zone "${name}": write it as "Europe/Berlin"`,
    })
    return z.NEVER
  })

export const durationMs = z.string().transform((text, context): number => {
  const ms = parseDuration(text)
  if (ms !== undefined) return ms
  context.addIssue({ code: 'custom', message: `"${text}" is no duration: write it as "20m" or "1h30m"` })
  return z.NEVER
})

/** A runner's expression that holds for whole minutes; the runner itself would hold another for a second of each. */
export function wholeMinutes(text: string): Cron {
  const cron = parseRunnerCron(text)
  if (cron.secondsOfMinute === SECONDS) return cron
  throw refusedCron(
    text,
    'does not hold for whole minutes: write seven fields, the first of them (seconds) "*"',
  )
}

export function hostZone(): Zone {
  const here = Zone.open('')
  assert(here, 'this host has a time zone')
  return here
}

const SECONDS = 60
