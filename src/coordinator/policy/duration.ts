/** Durations as GitLab Runner's configuration writes them: Go's `20m0s`, `1h30m`, `500ms`. */

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h)/g

/** In ms; `undefined` when it is no duration. */
export function parseDuration(text: string): number | undefined {
  if (!WHOLE.test(text)) return undefined
  let sumMs = 0
  for (const [, count, unit = ''] of text.matchAll(PART)) sumMs += Number(count) * (UNITS_MS[unit] ?? 0)
  return sumMs
}
