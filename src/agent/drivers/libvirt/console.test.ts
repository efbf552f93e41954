import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cleanLines, consoleTail } from './console.ts'

describe('the console’s last lines', () => {
  test('lose colours, cursor movements, titles and bells whole', () => {
    expect(cleanLines('\u001b[31mred\u001b[0m\r\n\u001b]0;title\u0007next\u0007\n\u001b(Bx\n')).toEqual([
      'red',
      'next',
      'x',
    ])
  })
  test('hold no control character, whatever the guest wrote', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is the point
        for (const line of cleanLines(text)) expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/)
      }),
    )
  })
  test('are few and short', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'slw-console-'))
    writeFileSync(join(dir, 'log'), `${'x'.repeat(10_000)}\n`.repeat(1_000))
    const lines = await consoleTail(join(dir, 'log'), 3)
    expect(lines.map((line) => line.length)).toEqual([500, 500, 500])
    expect(await consoleTail(join(dir, 'log'), 0)).toEqual([])
    rmSync(dir, { recursive: true })
  })
  test('are none where there is no log', async () => {
    expect(await consoleTail('/nowhere/console.log', 5)).toEqual([])
  })
})
