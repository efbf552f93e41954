/** Samples by name, in the order they were taken. */
export class Samples {
  readonly #byName = new Map<string, number[]>()

  add(name: string, value: number): void {
    const values = this.#byName.get(name)
    if (values === undefined) this.#byName.set(name, [value])
    else values.push(value)
  }

  of(name: string): readonly number[] {
    return this.#byName.get(name) ?? []
  }

  /** The value that `share` of all are not above; NaN of none. */
  quantile(name: string, share: number): number {
    const sorted = this.of(name).toSorted((a, b) => a - b)
    return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
  }

  median(name: string): number {
    return this.quantile(name, 0.5)
  }

  /** Of each name: how many, p50, p95, least and most. */
  table(): string {
    const rows = [...this.#byName.keys()].map((name) => {
      const numbers = [0.5, 0.95, 0.01, 1].map((share) => this.quantile(name, share))
      return `| ${[name, `${this.of(name).length}`, ...numbers.map((n) => n.toFixed(n < 10 ? 1 : 0))].join(' | ')} |`
    })
    return [
      '| what | n | p50 | p95 | min | max |',
      '| --- | ---: | ---: | ---: | ---: | ---: |',
      ...rows,
    ].join('\n')
  }

  toJSON(): Readonly<Record<string, readonly number[]>> {
    return Object.fromEntries(
      [...this.#byName].map(([name, values]) => [name, values.map((value) => Math.round(value * 100) / 100)]),
    )
  }
}
