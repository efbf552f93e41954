import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { events, procedures, streams } from '../generated/protocol.ts'
import { renderProtocol } from './render.ts'

const description = readFileSync(new URL('./libvirt.protocol', import.meta.url), 'utf8')
const generated = readFileSync(new URL('../generated/protocol.ts', import.meta.url), 'utf8')

describe('the generated table', () => {
  test('is what its description generates; else run: sh bin/node src/libvirt/protocol/generate.ts', () => {
    expect(renderProtocol(description)).toBe(generated)
  })

  test('a changed description generates another table', () => {
    expect(renderProtocol(description.replace('call   14 ', 'call   15 '))).not.toBe(generated)
  })

  test('has each procedure number once per program', () => {
    const numbers = Object.values({ ...procedures, ...streams, ...events }).map(
      (row) => `${row.program}/${row.procedure}`,
    )
    expect(new Set(numbers).size).toBe(numbers.length)
  })
})

test.each([
  'call 12 nameOnly',
  'call x name () ()',
  'union Broken 1',
  'type T (a int)',
  'call 1 name (a: int[x]) ()',
])('the generator refuses a line it does not understand: %s', (line) => {
  expect(() => renderProtocol(line)).toThrow()
})
