/** What a command is to the command line. */
import type { Options } from './options.ts'
import type { TextStream } from './text.ts'

/** The outside of one call: the streams, the environment, and the signal that Ctrl-C aborts. */
export interface Io {
  /** To stdout, without opening it as a stream: that costs milliseconds. */
  readonly print: (text: string) => void
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly stdout: TextStream
  readonly stderr: TextStream
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

export interface Call {
  readonly io: Io
  readonly args: readonly string[]
  /** What follows `--`: a command for a guest. */
  readonly rest: readonly string[]
  readonly options: Options
  /** The configuration directory. */
  readonly config: string
  /** True when a program reads our output. */
  readonly json: boolean
}

/** Does the work and gives the exit code; throws what it expects to fail. */
export type Main = (call: Call) => Promise<number>

type Option = readonly [flags: string, description: string]

/** One command as help shows it. Its code is loaded when it is called: start-up time is everybody's. */
export interface Declaration {
  /** `ls`, or `image build`. */
  readonly name: string
  /** As in help: `<machine>`. */
  readonly arguments?: string
  /** Takes a command for the guest after `--`, and passes its exit code on. */
  readonly takesCommand?: true
  readonly group: string
  readonly summary: string
  readonly options?: readonly Option[]
  readonly examples: readonly string[]
  /** Not in help: what other programs start. */
  readonly hidden?: true
  readonly load: () => Promise<{ readonly main: Main }>
}
