import type { Declaration, Field } from './parse.ts'
import { parseProtocol } from './parse.ts'

const BUILT_IN: Readonly<Record<string, string>> = {
  int: 'i32',
  uint: 'u32',
  hyper: 'i64',
  uhyper: 'u64',
  double: 'f64',
  uuid: 'uuid',
  text: 'text',
}

/** The source of `../generated/protocol.ts` for a description; same text in, same text out. */
export function renderProtocol(description: string): string {
  const declarations = parseProtocol(description)
  const body = [
    ...declarations.flatMap(renderType),
    renderTable('procedures', 'Calls: what goes out, what comes back.', declarations, 'call'),
    renderTable('streams', 'Calls that leave a byte stream open.', declarations, 'stream'),
    renderTable('events', 'Messages libvirtd sends unasked.', declarations, 'event'),
  ].join('\n\n')
  const used = [
    'array',
    'f64',
    'fixedArray',
    'i32',
    'i64',
    'optional',
    'string',
    'struct',
    'u32',
    'u64',
    'union',
  ]
  const imports = used.filter((name) => name === 'string' || new RegExp(`\\b${name}\\b`).test(body))
  return `// Generated from protocol/libvirt.protocol by: sh bin/node src/libvirt/protocol/generate.ts. Do not edit.
import { uuid } from '../uuid.ts'
import { ${imports.join(', ')} } from '../xdr/index.ts'

const text = string(4194304)

${body}
`
}

function renderType(declaration: Declaration): readonly string[] {
  if (declaration.kind === 'type')
    return [`export const ${declaration.name} = ${renderStruct(declaration.fields)}`]
  if (declaration.kind !== 'union') return []
  const arms = declaration.arms.map(({ tag, type }) => `${tag}: ${codec(type)}`)
  return [`export const ${declaration.name} = union({ ${arms.join(', ')} })`]
}

function renderTable(
  table: string,
  comment: string,
  declarations: readonly Declaration[],
  kind: 'call' | 'stream' | 'event',
): string {
  const rows: string[] = []
  let program = ''
  for (const declaration of declarations) {
    if (declaration.kind === 'program') {
      program = `program: ${declaration.number}, version: ${declaration.version}`
    } else if (declaration.kind === kind) {
      const { name, number, fields, reply } = declaration
      const codecs =
        kind === 'event'
          ? `payload: ${renderStruct(fields)}`
          : `args: ${renderStruct(fields)}, reply: ${renderStruct(reply)}`
      rows.push(`  ${name}: { ${program}, procedure: ${number}, ${codecs} },`)
    }
  }
  return `/** ${comment} */\nexport const ${table} = {\n${rows.join('\n')}\n} as const`
}

function renderStruct(fields: readonly Field[]): string {
  if (fields.length === 0) return 'struct({})'
  return `struct({ ${fields.map(({ name, type }) => `${name}: ${codec(type)}`).join(', ')} })`
}

function codec(type: string): string {
  const [, item = type, suffix = ''] = /^(\w+)(.*)$/.exec(type) ?? []
  const base = BUILT_IN[item] ?? item
  const count = /\d+/.exec(suffix)?.[0]
  if (suffix === '') return base
  if (suffix === '?') return `optional(${base})`
  if (suffix === `<${count}>`) return `array(${base}, ${count})`
  if (suffix === `[${count}]`) return `fixedArray(${base}, ${count})`
  throw new Error(`not a type: ${type}`)
}
