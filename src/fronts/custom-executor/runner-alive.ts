/** Whether the runner that called us still lives. */
import { readFileSync } from 'node:fs'

const LOOK_MS = 1_000

/**
 * Calls `gone` once the runner is dead. It starts each stage as the leader of a process group, so the runner is the
 * parent of our group's leader, with any number of wrapper scripts between; an orphaned leader has another parent.
 * The returned function ends the watch.
 */
export function watchRunner(gone: () => void): () => void {
  const leader = statOf('self')?.group
  const runner = leader === undefined ? undefined : statOf(leader)?.parent
  if (leader === undefined || runner === undefined) return () => undefined
  const timer = setInterval(() => {
    if (statOf(leader)?.parent === runner) return
    clearInterval(timer)
    gone()
  }, LOOK_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** Fields 4 and 5 of proc(5)'s stat; the name before them, in parentheses, may hold anything. */
function statOf(pid: number | 'self'): { readonly parent: number; readonly group: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [, parent, group] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    return parent === undefined || group === undefined ? undefined : { parent, group }
  } catch {
    return undefined
  }
}
