/** Prints what was skipped and the closing line of `test/run`; exits 1 unless all went well and something ran. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { closingLine, type Report, skipReasons, sum } from './sum.ts'

const folder = process.argv[2] ?? ''
const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
const reports: readonly Report[] = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(read(name)))
const total = sum(read('checks').split('\n'), reports)

for (const line of read('checks').split('\n')) if (line.startsWith('failed ')) console.log(line)
for (const name of total.failures) console.log(`failed ${name}`)
const output = readdirSync(folder).filter((name) => name.endsWith('.log'))
for (const why of skipReasons(output.map(read).join('\n'))) console.log(`skipped, because ${why}`)
for (const name of total.skipped) console.log(`  skipped ${name}`)
writeFileSync(join(folder, `line`), `${closingLine(total)}\n`)
console.log(closingLine(total))
process.exitCode = total.failed > 0 || reports.length === 0 ? 1 : 0
