/** What a check of the host is, and how one is judged. */

/** `warn`: works, but weaker or slower than it could be; under `--hardened` a hardening check's warning fails. */
export type Result = 'ok' | 'warn' | 'fail'

export interface Finding {
  readonly result: Result
  /** What was seen, so that a person can judge for himself. */
  readonly evidence: string
}

export interface Check {
  readonly name: string
  /** What goes wrong otherwise. */
  readonly why: string
  readonly remedy: string
  /** Part of what `--hardened` demands: its warnings fail there. */
  readonly hardening?: true
  readonly look: (host: HostView) => Promise<Finding>
}

/** The host as the checks see it. */
export interface HostView {
  readonly root: boolean
  readonly configuration: Configuration
  /** How guests run here, as the agent finds by trying; undefined where nobody may try. */
  acceleration(): Promise<{ readonly kind: 'hardware' | 'emulated'; readonly evidence: string } | undefined>
  /** How machines are made here, best first: clones that share memory, clones that copy it, boots. */
  cloning(): Promise<{ readonly mode: string; readonly evidence: string } | undefined>
  /** A file's text, trimmed; undefined where there is none to read. */
  read(path: string): Promise<string | undefined>
  /** `undefined` where the program is not installed. */
  run(
    program: string,
    ...args: readonly string[]
  ): Promise<{ readonly code: number; readonly text: string } | undefined>
  /** `undefined` where nothing is. Mode in octal, e.g. `660`. */
  stat(
    path: string,
  ): Promise<{ readonly mode: string; readonly owner: string; readonly group: string } | undefined>
  freeMiB(path: string): Promise<number | undefined>
}

export interface Judged extends Finding {
  readonly check: Check
}

export const ok = (evidence: string): Finding => ({ result: 'ok', evidence })
export const warn = (evidence: string): Finding => ({ result: 'warn', evidence })
export const fail = (evidence: string): Finding => ({ result: 'fail', evidence })

/** `holds ? ok : result`, with the same evidence. */
export const unless = (holds: boolean, result: Exclude<Result, 'ok'>, evidence: string): Finding => ({
  result: holds ? 'ok' : result,
  evidence,
})

/** Looks at everything; a check that throws is a failed check, not a failed doctor. */
export async function judge(
  checks: readonly Check[],
  host: HostView,
  options: { readonly hardened: boolean },
): Promise<readonly Judged[]> {
  return Promise.all(
    checks.map(async (check) => {
      const { result, evidence } = await check
        .look(host)
        .catch((error: unknown) => fail(`not seen: ${String(error)}`))
      const demanded = options.hardened && check.hardening === true && result === 'warn'
      return { check, result: demanded ? 'fail' : result, evidence }
    }),
  )
}

/** What the two configuration files come to; the defaults where a file is refused. */
export interface Configuration {
  /** Why a file is refused. */
  readonly problems: readonly string[]
  readonly files: readonly string[]
  readonly run: string
  readonly state: string
  readonly images: string
  /** First and last uid that machines get. */
  readonly uids: { readonly first: number; readonly last: number }
  /** Flavors whose machines may run without hardware virtualization. */
  readonly emulated: readonly string[]
}
