import type { CloneMode } from '../../../../model/index.ts'
import { tryRun } from '../command.ts'

export interface Cloning {
  readonly mode: CloneMode
  /** For people: why it is no better. */
  readonly evidence: string
  /** Whole copies of memory can be made. */
  readonly canCopy: boolean
}

const PROBE_MS_MAX = 10_000
/** An id of ours in each question, so that answers are found among QEMU's greeting and events. */
const CAPABILITIES = 'capabilities'
const PROPERTIES = 'properties'

/**
 * Asks this QEMU itself, by its monitor, what its memory files and migrations can do: distributions backport. Errors:
 * `missing_program`.
 */
export async function probeCloning(signal: AbortSignal): Promise<Cloning> {
  const questions = [
    { execute: 'qmp_capabilities' },
    { execute: 'query-migrate-capabilities', id: CAPABILITIES },
    { execute: 'qom-list-properties', arguments: { typename: 'memory-backend-file' }, id: PROPERTIES },
    { execute: 'quit' },
  ]
  const { stdout } = await tryRun(
    'qemu-system-x86_64',
    ['-machine', 'none', '-nodefaults', '-no-user-config', '-display', 'none', '-S', '-qmp', 'stdio'],
    {
      object: 'what QEMU can clone',
      signal,
      stdin: `${questions.map((question) => JSON.stringify(question)).join('\n')}\n`,
      deadlineMs: PROBE_MS_MAX,
    },
  )
  return judgeCloning({
    capabilities: answer(stdout, CAPABILITIES, 'capability'),
    properties: answer(stdout, PROPERTIES, 'name'),
  })
}

export interface CloningSupport {
  /** Of migration. */
  readonly capabilities: ReadonlySet<string>
  /** Of memory-backend-file. */
  readonly properties: ReadonlySet<string>
}

/**
 * Without `rom=off` a private mapping of a file needs the file opened for writing: then a QEMU that was taken over
 * could change every other machine's memory, and nothing is shared. Both `rom` and `mapped-ram` came after `file:`.
 */
export function judgeCloning({ capabilities, properties }: CloningSupport): Cloning {
  const lacks = [
    ...['readonly', 'rom']
      .filter((name) => !properties.has(name))
      .map((name) => `no memory file with ${name}=`),
    ...(capabilities.has('x-ignore-shared') ? [] : ['no migration with x-ignore-shared']),
  ]
  const canCopy = capabilities.has('mapped-ram') && capabilities.has('multifd')
  const says = `this QEMU has ${lacks.join(' and ')}`
  if (lacks.length === 0)
    return {
      mode: 'shared-memory',
      evidence: 'this QEMU maps a memory file without opening it for writing',
      canCopy,
    }
  if (canCopy) return { mode: 'mapped-ram', evidence: `${says}: each machine copies its memory`, canCopy }
  return { mode: 'cold', evidence: `${says} and none with mapped-ram: each machine boots`, canCopy }
}

/** The values of `field` in the answer to one question; none if QEMU gave none. */
function answer(stdout: string, id: string, field: string): ReadonlySet<string> {
  for (const line of stdout.split('\n')) {
    const reply = parse(line)
    if (reply?.id !== id || !Array.isArray(reply.return)) continue
    return new Set(reply.return.map((entry: Readonly<Record<string, unknown>>) => String(entry[field])))
  }
  return new Set()
}

function parse(line: string): { readonly id?: unknown; readonly return?: unknown } | undefined {
  try {
    return JSON.parse(line) as { readonly id?: unknown; readonly return?: unknown }
  } catch {
    return undefined
  }
}
