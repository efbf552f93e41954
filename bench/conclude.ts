import { type Part, record } from './results.ts'
import type { Samples } from './samples.ts'

export interface Conclusion extends Omit<Part, 'samples'> {
  readonly samples: Samples
  /** The most that each of `ratios` may be that is promised. */
  readonly most: Readonly<Record<string, number>>
}

/** Prints and records what a bench has measured. The process will exit 1 if a promise is not kept. */
export function conclude(name: string, { guest, samples, load, ratios, most }: Conclusion): void {
  console.log(`${guest}; ms unless it says otherwise; load ${Math.min(...load)} to ${Math.max(...load)}\n`)
  console.log(samples.table(), '\n')
  record(name, { guest, samples: samples.toJSON(), load, ratios })
  for (const [figure, value] of Object.entries(ratios)) {
    const bound = most[figure] ?? Number.POSITIVE_INFINITY
    // One that could not be taken is not kept.
    const kept = value <= bound
    console.log(`${figure} ${value.toFixed(2)}, at most ${bound.toFixed(2)}${kept ? '' : ': NOT KEPT'}`)
    if (!kept) process.exitCode = 1
  }
}
