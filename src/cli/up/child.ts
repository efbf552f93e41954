/** One of Slipway's processes as a child: tied to us by a pipe on its stdin, its log read line by line. */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { SlipwayError } from '../../model/index.ts'
import { problemOf } from '../failure.ts'
import { type SelfOptions, spawnSelf } from '../self.ts'
import type { Ended, RunningChild } from './keep-running.ts'

export interface ChildOptions extends Pick<SelfOptions, 'args' | 'mountedOn'> {
  /** Gets each line of its log. */
  readonly line: (line: string) => void
}

export function startChild({ line, ...self }: ChildOptions): RunningChild {
  const child = spawnSelf({ ...self, stdio: ['pipe', 'pipe', 'pipe'] })
  const [stdin, stdout, stderr] = child.stdio
  if (!stdin || !stdout || !stderr) throw new Error('bug: a child without pipes')
  stdin.on('error', () => undefined)
  let problem: SlipwayError | undefined
  createInterface({ input: stderr }).on('line', (text) => {
    const said = problemOf(text)
    if (said === undefined || said.code === 'host_setup') line(text)
    problem = said ?? problem
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
