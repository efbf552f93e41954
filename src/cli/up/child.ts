/** One of Slipway's processes as a child: tied to us by a pipe on its stdin, its log read line by line. */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { SlipwayError } from '../../model/index.ts'
import { problemOf } from '../failure.ts'
import { spawnSelf } from '../self.ts'
import type { Ended, RunningChild } from './keep-running.ts'

export interface ChildOptions {
  readonly args: readonly string[]
  /** Gets each line of its log. */
  readonly line: (line: string) => void
}

export function startChild({ args, line }: ChildOptions): RunningChild {
  const child = spawnSelf(args, ['pipe', 'pipe', 'pipe'])
  const [stdin, stdout, stderr] = child.stdio
  if (!stdin || !stdout || !stderr) throw new Error('bug: a child without pipes')
  stdin.on('error', () => undefined)
  let problem: SlipwayError | undefined
  createInterface({ input: stderr }).on('line', (text) => {
    const said = problemOf(text)
    if (said === undefined) line(text)
    else problem = said
  })
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: stdout }).on('line', (text) => {
      if (text === READY) resolve()
    })
  })
  const ended = once(child, 'close').then(
    ([code, signal]): Ended => ({ code: code ?? undefined, signal: signal ?? undefined, problem }),
  )
  return {
    ready,
    ended,
    stop(graceMs) {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
      ended.finally(() => clearTimeout(timer))
    },
  }
}

/** What a process of ours prints once it serves. */
export const READY = 'ready'
