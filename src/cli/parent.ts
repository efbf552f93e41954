/** Whether the process that started us still lives; a dead parent can cancel nothing any more. */
import { readFileSync } from 'node:fs'

const POLL_MS = 500

/**
 * Aborts `controller` once the parent is gone. Under `npx` a shell may stand between us and the program a person
 * ends, so its parent is watched too. Nothing is watched where there was no parent to begin with (pid 1).
 */
export function watchParent(env: Readonly<Record<string, string | undefined>>, gone: () => void): () => void {
  const parent = process.ppid
  if (parent <= 1) return () => undefined
  const grandparent = env.npm_command === undefined ? undefined : parentOf(parent)
  const timer = setInterval(() => {
    const lost = process.ppid !== parent || (grandparent !== undefined && parentOf(parent) !== grandparent)
    if (!lost) return
    clearInterval(timer)
    gone()
  }, POLL_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** Field 4 of proc(5)'s stat, after the name in parentheses, which may hold anything. */
function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined
  }
}
