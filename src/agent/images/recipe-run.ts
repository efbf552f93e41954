/**
 * Runs a recipe's `build` so that nothing of it outlives us: it is the first process of a process namespace of its own,
 * which ends with its parent (PR_SET_PDEATHSIG), and takes its mounts along with their namespace. A `kill -9` of this
 * process ends mmdebstrap and all it started.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { SlipwayError } from '../../model/index.ts'
import { isMissing } from '../durable-file.ts'

export const LINE_CHARS_MAX = 400
/** Of the error output, for the failure's detail. */
const TAIL_LINES = 5

/** What a build says while it runs. */
export interface BuildWatcher {
  /** A step of the recipe begins. */
  readonly step: (name: string) => void
  /** Any other line, for people; control characters removed. */
  readonly output: (line: string) => void
}

export interface RecipeRun {
  readonly image: string
  /** The recipe's folder. */
  readonly recipe: string
  readonly out: string
  readonly work: string
  readonly watch: BuildWatcher
  readonly signal: AbortSignal
}

/** Resolves once `build` succeeded and all its processes are gone. Throws `build_failed`, or the signal's reason. */
export async function runRecipe({ image, recipe, out, work, watch, signal }: RecipeRun): Promise<void> {
  signal.throwIfAborted()
  let step = 'start'
  const tail: string[] = []
  const child = spawn('setpriv', [...ISOLATED, join(recipe, 'build'), out, work], {
    cwd: work,
    env: environment(work),
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGKILL',
  })
  const ended = new Promise<number | Error>((resolve) => {
    child.once('error', (error) => resolve(error))
    child.once('close', (code) => resolve(code ?? -1))
  })
  const said = eachLine(child.stdout, (line) => {
    if (!line.startsWith(STEP)) return watch.output(line)
    step = line.slice(STEP.length)
    watch.step(step)
  })
  const complained = eachLine(child.stderr, (line) => {
    tail.push(line)
    tail.splice(0, tail.length - TAIL_LINES)
    watch.output(line)
  })
  const [end] = await Promise.all([ended, said, complained])
  signal.throwIfAborted()
  if (end === 0) return
  if (isMissing(end)) {
    throw new SlipwayError('missing_program', {
      program: 'setpriv',
      remedy: 'apt-get install util-linux mount',
    })
  }
  const detail = tail.join('; ') || (end instanceof Error ? end.message : `it ended with ${end}`)
  throw new SlipwayError('build_failed', { image, step, detail })
}

const STEP = 'step: '
const ISOLATED = [
  ...['--pdeathsig', 'KILL'],
  ...['unshare', '--mount', '--pid', '--fork', '--kill-child=SIGKILL', '--mount-proc', '--'],
]

/** A recipe sees no more of the operator's environment than how to reach packages. */
function environment(work: string): NodeJS.ProcessEnv {
  const kept = ['http_proxy', 'https_proxy', 'no_proxy', 'SOURCE_DATE_EPOCH'].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C.UTF-8',
    HOME: work,
    TMPDIR: work,
    ...Object.fromEntries(kept),
  }
}

/** Calls `take` for each line, cut at `LINE_CHARS_MAX`, until the stream ends; never throws. */
export async function eachLine(stream: Readable, take: (line: string) => void): Promise<void> {
  let rest = ''
  stream.setEncoding('utf8')
  try {
    for await (const chunk of stream) {
      const lines = (rest + chunk).split('\n')
      rest = (lines.pop() ?? '').slice(0, LINE_CHARS_MAX)
      for (const line of lines) take(plain(line))
    }
  } catch {
    // The pipe broke with its process, whose end says why.
  }
  if (rest !== '') take(plain(rest))
}

const plain = (line: string): string => line.slice(0, LINE_CHARS_MAX).replace(/[\p{Cc}\p{Cf}]/gu, '')
