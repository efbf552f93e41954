/** What a command was called with, read by kind. */
import { SlipwayError } from '../model/index.ts'

export class Options {
  readonly #values: Readonly<Record<string, unknown>>

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values
  }

  flag(name: string): boolean {
    return this.#values[name] === true
  }

  text(name: string): string | undefined {
    const value = this.#values[name]
    return typeof value === 'string' ? value : undefined
  }

  /** An option that may be given several times. */
  list(name: string): readonly string[] {
    const value = this.#values[name]
    return Array.isArray(value) ? value.map(String) : []
  }

  /** `90s`, `2m`, `1h`, `500ms`. */
  durationMs(name: string): number | undefined {
    const text = this.text(name)
    return text === undefined ? undefined : parseDurationMs(text, `--${dashed(name)}`)
  }

  count(name: string): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    if (!/^\d{1,9}$/.test(text)) refuse(`--${dashed(name)} takes a number, not "${text.slice(0, 40)}"`)
    return Number(text)
  }
}

/** `text` in ms; throws `bad_request` that names `what`. */
export function parseDurationMs(text: string, what: string): number {
  const [, amount, unit] = /^(\d{1,6})(ms|s|m|h)$/.exec(text) ?? []
  const unitMs = unitsMs.get(unit ?? '')
  if (unitMs === undefined) refuse(`${what} takes a time such as 90s, 2m or 1h, not "${text.slice(0, 40)}"`)
  return Number(amount) * unitMs
}

const unitsMs: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
])

const dashed = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

function refuse(detail: string): never {
  throw new SlipwayError('bad_request', { detail })
}
