import type { Call, Io } from '../command.ts'
import { accounts } from '../doctor/accounts.ts'
import { type Check, type Judged, judge } from '../doctor/check.ts'
import { configuration } from '../doctor/configuration.ts'
import { hostView } from '../doctor/host-view.ts'
import { kernel } from '../doctor/kernel.ts'
import { programs } from '../doctor/programs.ts'
import { resources } from '../doctor/resources.ts'
import { EXIT } from '../exit.ts'
import { writeJson } from '../json.ts'
import { paint } from '../text.ts'

/** Looks whether this host can do what Slipway needs, and says of each thing what was seen, why it matters, what helps. */
export async function main(call: Call): Promise<number> {
  const hardened = call.options.flag('hardened')
  const judged = await judge(checks, await hostView(call), { hardened })
  if (call.json) writeJson(call.io, { checks: judged.map(plain) })
  else call.io.print(report(judged, call.io))
  return judged.some(({ result }) => result === 'fail') ? EXIT.failed : EXIT.ok
}

/** Every check, in the order a person would put things right. */
export const checks: readonly Check[] = [...configuration, ...programs, ...accounts, ...resources, ...kernel]

const plain = ({ check: { name, why, remedy, hardening }, result, evidence }: Judged) => ({
  name,
  result,
  evidence,
  why,
  remedy,
  hardening: hardening === true,
})

function report(judged: readonly Judged[], { stdout }: Pick<Io, 'stdout'>): string {
  const marks = {
    ok: paint(stdout, 'green', 'ok  '),
    warn: paint(stdout, 'yellow', 'warn'),
    fail: paint(stdout, 'red', 'FAIL'),
  }
  const wide = Math.max(...judged.map(({ check }) => check.name.length))
  const lines = judged.flatMap(({ check, result, evidence }) => [
    `${marks[result]}  ${check.name.padEnd(wide)}  ${evidence}`,
    ...(result === 'ok' ? [] : [`      why: ${check.why}`, `      next: ${check.remedy}`]),
  ])
  const count = (result: Judged['result']): number => judged.filter((one) => one.result === result).length
  return `${lines.join('\n')}\n\n${count('ok')} ok, ${count('warn')} warnings, ${count('fail')} failed\n`
}
