import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseId } from '../../../model/index.ts'
import { attachConsole, cleanLines, consoleTail } from './console.ts'

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

describe('the live console', () => {
  const machine = parseId('MachineId', `m-${'0'.repeat(26)}`)
  const served = async (path: string) => {
    const server = createServer((line) => line.on('data', (bytes) => line.write(`${bytes}`.toUpperCase())))
    await once(server.listen(path), 'listening')
    return server
  }
  test('goes both ways until its reader has enough', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'slw-console-'))
    const server = await served(join(dir, '1'))
    const reader = new AbortController()
    const live = await attachConsole(join(dir, '1'), { machine, signal: reader.signal })
    live.write(Buffer.from('login'))
    const said: string[] = []
    for await (const bytes of live.output) {
      said.push(Buffer.from(bytes).toString())
      reader.abort()
    }
    expect(said).toEqual(['LOGIN'])
    server.close()
    rmSync(dir, { recursive: true })
  })
  test('is not there once its machine is not', async () => {
    const { signal } = new AbortController()
    await expect(attachConsole('/nowhere/1', { machine, signal })).rejects.toMatchObject({
      code: 'not_found',
    })
  })
})
