/** Wall-clock time in a time zone, with Intl's zone table: a period is written in its office's hours. */

/** What a clock on a wall of the zone shows. */
export interface LocalTime {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  /** 1 to 31. */
  readonly day: number
  /** 0 is Sunday. */
  readonly weekday: number
  readonly hour: number
  readonly minute: number
  readonly second: number
}

export class Zone {
  readonly name: string
  readonly #format: Intl.DateTimeFormat
  #minute = Number.NaN
  #offsetMs = 0

  /** An empty name or "Local" is the zone of this host, as for gitlab-runner. `undefined`: there is no such zone. */
  static open(name: string): Zone | undefined {
    const here = new Intl.DateTimeFormat().resolvedOptions().timeZone
    try {
      return new Zone(name === '' || name === 'Local' ? here : name)
    } catch (error) {
      if (error instanceof RangeError) return undefined
      throw error
    }
  }

  private constructor(name: string) {
    this.name = name
    this.#format = new Intl.DateTimeFormat('en-GB', { ...PARTS, timeZone: name })
  }

  toJSON(): string {
    return this.name
  }

  /** The local time of an instant, ms since 1970. An hour that comes twice is told twice; a skipped one never. */
  at(wallMs: number): LocalTime {
    const local = new Date(wallMs + this.#offsetAt(wallMs))
    return {
      year: local.getUTCFullYear(),
      month: local.getUTCMonth() + 1,
      day: local.getUTCDate(),
      weekday: local.getUTCDay(),
      hour: local.getUTCHours(),
      minute: local.getUTCMinutes(),
      second: local.getUTCSeconds(),
    }
  }

  /** Looked up once a minute: zones change on full minutes, and a look-up is slow. */
  #offsetAt(wallMs: number): number {
    const minute = Math.floor(wallMs / MINUTE_MS)
    if (minute === this.#minute) return this.#offsetMs
    const shown = new Map(
      this.#format.formatToParts(minute * MINUTE_MS).map(({ type, value }) => [type, Number(value)]),
    )
    const part = (type: Intl.DateTimeFormatPartTypes): number => shown.get(type) ?? 0
    const local = Date.UTC(
      part('year'),
      part('month') - 1,
      part('day'),
      part('hour'),
      part('minute'),
      part('second'),
    )
    this.#minute = minute
    this.#offsetMs = local - minute * MINUTE_MS
    return this.#offsetMs
  }
}

const MINUTE_MS = 60_000
const PARTS = {
  calendar: 'iso8601',
  numberingSystem: 'latn',
  hourCycle: 'h23',
  year: 'numeric',
  month: 'numeric',
  day: 'numeric',
  hour: 'numeric',
  minute: 'numeric',
  second: 'numeric',
} as const
