import { readFileSync } from 'node:fs'

/** Processor time a process has used, all its threads, ms. proc(5): utime and stime, in ticks of 10 ms on Linux. */
export function processorMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name in brackets may hold anything; the state follows it as field 3.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[14 - 3]) + Number(fields[15 - 3])) * 10
}
