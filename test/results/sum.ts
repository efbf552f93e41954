/** What the test runner's JSON reports and the other checks come to. */
export interface Sum {
  readonly passed: number
  readonly failed: number
  readonly failures: readonly string[]
  readonly skipped: readonly string[]
}

/** The parts of a vitest (jest-shaped) JSON report that are read. */
export interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly message?: string
    readonly status: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

/** `checks` are lines `passed NAME` and `failed NAME`. A test file that could not be loaded counts as one failure. */
export function sum(checks: readonly string[], reports: readonly Report[]): Sum {
  const files = reports.flatMap((report) => report.testResults)
  const tests = files.flatMap((file) => file.assertionResults)
  const unloaded = files.filter((file) => file.status === 'failed' && file.assertionResults.length === 0)
  const count = (status: string): number => tests.filter((test) => test.status === status).length
  const checked = (word: string): number => checks.filter((line) => line.startsWith(`${word} `)).length
  return {
    passed: count('passed') + checked('passed'),
    failed: count('failed') + checked('failed') + unloaded.length,
    failures: [
      ...tests.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName),
      ...unloaded.map(({ name }) => name),
    ],
    skipped: tests.filter(({ status }) => SKIPPED.has(status)).map(({ fullName }) => fullName),
  }
}

const SKIPPED = new Set(['skipped', 'pending', 'todo', 'disabled'])

/** The closing line. */
export const closingLine = ({ passed, failed, skipped }: Sum): string =>
  `${passed} passed, ${failed} failed, ${skipped.length} skipped`

/** Lines `SKIPPED: why` that tests print, each once. */
export const skipReasons = (output: string): readonly string[] => [
  ...new Set([...output.matchAll(/SKIPPED: (.*)/g)].map(([, why = '']) => why.trim())),
]
