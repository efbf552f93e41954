import { execFile } from 'node:child_process'
import { SlipwayError } from '../../../model/index.ts'

export interface CommandOptions {
  /** What is being set up, for the error: `namespace slw.local.3`. */
  readonly object: string
  readonly signal?: AbortSignal | undefined
  readonly stdin?: string | undefined
  readonly deadlineMs?: number | undefined
}

/** How a program ended that was allowed to fail. */
export interface CommandResult {
  readonly exitCode: number | undefined
  readonly stdout: string
  readonly stderr: string
}

const DEADLINE_MS = 10_000
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024
const DETAIL_CHARS_MAX = 300
/** The agent may have been started with any PATH; the tools live in root's. */
const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }

/** Debian's package of each program this driver runs. */
const PACKAGES: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nft: 'nftables',
  sysctl: 'procps',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  'qemu-img': 'qemu-utils',
  'qemu-system-x86_64': 'qemu-system-x86',
  libvirtd: 'libvirt-daemon-system',
  virtlogd: 'libvirt-daemon-system',
}

export const missingProgram = (program: string): SlipwayError =>
  new SlipwayError('missing_program', { program, remedy: `apt-get install ${PACKAGES[program] ?? program}` })

/**
 * Runs one program, without a shell, and returns its standard output. Errors: `missing_program`, `host_setup` with
 * the last words of its standard error, `timed_out`, or the reason of `signal`.
 */
export async function run(
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<string> {
  const { exitCode, stdout, stderr } = await tryRun(program, args, options)
  if (exitCode === 0) return stdout
  const said = stderr.trim().slice(-DETAIL_CHARS_MAX) || `exit code ${exitCode ?? 'none, killed'}`
  throw new SlipwayError('host_setup', { object: options.object, detail: `${program}: ${said}` })
}

/** As `run`, for a program whose failure is an answer; `exitCode` is absent when a signal ended it. */
export function tryRun(
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const { object, signal, stdin, deadlineMs = DEADLINE_MS } = options
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      args,
      {
        env: ENVIRONMENT,
        maxBuffer: OUTPUT_BYTES_MAX,
        timeout: deadlineMs,
        killSignal: 'SIGKILL',
        ...(signal && { signal }),
      },
      (error, stdout, stderr) => {
        if (error === null) return resolve({ exitCode: 0, stdout, stderr })
        if (signal?.aborted) return reject(signal.reason)
        if (error.code === 'ENOENT') return reject(missingProgram(program))
        if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER')
          return reject(
            new SlipwayError('host_setup', { object, detail: `${program} does not stop talking` }),
          )
        if (error.killed)
          return reject(new SlipwayError('timed_out', { step: `${program} for ${object}`, deadlineMs }))
        resolve({ exitCode: typeof error.code === 'number' ? error.code : undefined, stdout, stderr })
      },
    )
    // A program that ends before it read everything is judged by its exit code.
    child.stdin?.on('error', () => {})
    child.stdin?.end(stdin ?? '')
  })
}
