/**
 * `run_exec SCRIPT STAGE`: copies the script into the job's machine and runs it there, streaming. A script that fails
 * is the build's failure, with its own code; anything that keeps it from running is the system's, except a guest that
 * powers itself off: that was the job.
 */
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { connectSsh, type Exit, shellQuote } from '../../guest/index.ts'
import { type Access, errorTable, Secret, SlipwayError, within } from '../../model/index.ts'
import { printable } from '../printable.ts'
import { during, endOf, keepAlive, verdict, watchEnd } from './lease.ts'
import { failureLines } from './report.ts'
import { print, type Stage } from './stage.ts'

/** A job over its time limit is stopped by the runner; this ends a stage whose runner vanished unseen. */
const OVERTIME_MS = 600_000

export async function runStage(stage: Stage): Promise<number> {
  const [scriptFile, name] = stage.args
  if (scriptFile === undefined || name === undefined) {
    throw new SlipwayError('bad_request', {
      detail: 'run takes the path of a script and the name of its stage',
    })
  }
  const script = await readFile(scriptFile, 'utf8')
  try {
    const exit = await runInMachine(stage, script, name)
    return await ended(stage, exitNumber(exit))
  } catch (error) {
    if (stage.signal.aborted) throw error
    const failure = await reasonOf(stage, error)
    if (errorTable[failure.code].blame !== 'job') throw failure
    print(stage.stderr, failureLines(failure.failure))
    return await ended(stage, 1)
  }
}

async function runInMachine(stage: Stage, script: string, name: string): Promise<Exit> {
  const { signal, job } = stage
  const limit = { step: `stage ${printable(name)}`, deadlineMs: job.timeoutMs + OVERTIME_MS, signal }
  const { machine, access } = await reach(stage)
  return within(limit, (limited) =>
    during({ ...stage, signal: limited }, [keepAlive, watchEnd], async (inner) => {
      using ssh = await connectSsh({ access, machine, signal: inner })
      const path = `/tmp/slipway-${randomBytes(8).toString('hex')}`
      await ssh.writeFile(path, script, inner)
      const { stdout, stderr } = stage
      return await ssh.exec(command(path), { stdout, stderr, signal: inner })
    }),
  )
}

/**
 * The script is a file, not stdin: what it runs cannot eat the rest of it. `sh` is for guests without bash. Its two
 * outputs are one from here on, as the job log has one column: apart, they would arrive in any order.
 */
const command = (path: string): string =>
  `exec "$(command -v bash || command -v sh)" ${shellQuote(path)} 2>&1`

async function reach({ client, lease, signal }: Stage): Promise<{ machine: string; access: Access }> {
  const params = { lease }
  const view = await client.call('leaseGet', { params, signal })
  if (view.state === 'ended') throw endOf(view)
  const { privateKey, ...access } = await client.call('leaseAccess', { params, signal })
  return { machine: view.machine ?? lease, access: { ...access, privateKey: new Secret(privateKey) } }
}

/** A broken connection is explained by what its host says of the machine. */
async function reasonOf(stage: Stage, error: unknown): Promise<SlipwayError> {
  if (!(error instanceof SlipwayError)) throw error
  if (error.code !== 'ssh_failed') return error
  const view = await verdict(stage, stage.signal)
  return view === undefined ? error : endOf(view)
}

/** The file is written for each failure: one that an earlier stage left would be taken for this one's code. */
async function ended({ env, codes }: Stage, code: number): Promise<number> {
  if (code === 0) return 0
  const file = env.BUILD_EXIT_CODE_FILE
  if (file !== undefined) await writeFile(file, `${code}\n`)
  return codes.buildFailure
}

/** A script ended by a signal counts as shells count it. */
function exitNumber(exit: Exit): number {
  if ('code' in exit) return exit.code
  const signals: Readonly<Record<string, number>> = constants.signals
  return 128 + (signals[exit.signal] ?? 0)
}
