/**
 * Reads `libvirt.protocol`, whose head explains the notation. Runs only when the table is generated
 * or its drift is tested, on a file of our own, so it throws plain errors with the line.
 */
export interface Field {
  readonly name: string
  readonly type: string
}

export type Declaration =
  | { readonly kind: 'program'; readonly name: string; readonly number: string; readonly version: string }
  | { readonly kind: 'type'; readonly name: string; readonly fields: readonly Field[] }
  | {
      readonly kind: 'union'
      readonly name: string
      readonly arms: readonly { readonly tag: string; readonly type: string }[]
    }
  | {
      readonly kind: 'call' | 'stream' | 'event'
      readonly number: string
      readonly name: string
      readonly fields: readonly Field[]
      readonly reply: readonly Field[]
    }

export function parseProtocol(text: string): readonly Declaration[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map(parseLine)
}

function parseLine(line: string): Declaration {
  const program = /^program (\w+) (0x[0-9a-f]+) (\d+)$/.exec(line)?.slice(1)
  if (program) {
    const [name = '', number = '', version = ''] = program
    return { kind: 'program', name, number, version }
  }
  const union = /^union (\w+) (.+)$/.exec(line)?.slice(1)
  if (union) {
    const [name = '', arms = ''] = union
    return { kind: 'union', name, arms: arms.split(' | ').map((arm) => parseArm(arm, line)) }
  }
  const type = /^type (\w+) \(([^()]*)\)$/.exec(line)?.slice(1)
  if (type) {
    const [name = '', fields = ''] = type
    return { kind: 'type', name, fields: parseFields(fields, line) }
  }
  const procedure = /^(call|stream|event) +(\d+) +(\w+) \(([^()]*)\)(?: \(([^()]*)\))?$/.exec(line)?.slice(1)
  if (!procedure) throw new Error(`not understood: ${line}`)
  const [kind, number = '', name = '', fields = '', reply = ''] = procedure
  if (kind !== 'call' && kind !== 'stream' && kind !== 'event') throw new Error(`not understood: ${line}`)
  return { kind, number, name, fields: parseFields(fields, line), reply: parseFields(reply, line) }
}

function parseArm(arm: string, line: string): { tag: string; type: string } {
  const [, tag, type] = /^(\d+) (\S+)$/.exec(arm) ?? []
  if (tag === undefined || type === undefined) throw new Error(`no union arm "${arm}": ${line}`)
  return { tag, type }
}

function parseFields(fields: string, line: string): readonly Field[] {
  if (fields === '') return []
  return fields.split(', ').map((field) => {
    const [, name, type] = /^(\w+): (\S+)$/.exec(field) ?? []
    if (name === undefined || type === undefined) throw new Error(`no field "${field}": ${line}`)
    return { name, type }
  })
}
