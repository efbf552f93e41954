import { describe, expect, test } from 'vitest'
import { run, tryRun } from './command.ts'

const object = 'a test'
const shell = (script: string) => ['-c', script]

describe('running a program', () => {
  test('gives it input and returns its output', async () => {
    expect(await run('cat', [], { object, stdin: 'x' })).toBe('x')
  })
  test('passes arguments as they are', async () => {
    expect(await run('printf', ['%s|', '$(id)', '; id', '*'], { object })).toBe('$(id)|; id|*|')
  })
  test('fails with its last words', async () => {
    const failed = run('sh', shell('echo first; echo why >&2; exit 3'), { object })
    await expect(failed).rejects.toMatchObject({ code: 'host_setup', args: { object, detail: 'sh: why' } })
  })
  test('says which package it is in when it is not there', async () => {
    await expect(run('no-such-program', [], { object })).rejects.toMatchObject({ code: 'missing_program' })
  })
  test('is ended at its deadline', async () => {
    const slow = run('sleep', ['60'], { object, deadlineMs: 20 })
    await expect(slow).rejects.toMatchObject({ code: 'timed_out' })
  })
  test('is ended with its caller’s reason', async () => {
    const reason = new Error('enough')
    await expect(run('sleep', ['60'], { object, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })
  test('may fail where failure is an answer', async () => {
    expect(await tryRun('sh', shell('exit 3'), { object })).toMatchObject({ exitCode: 3 })
    expect((await tryRun('sh', shell('kill -9 $$'), { object })).exitCode).toBeUndefined()
  })
  test('may not talk without end', async () => {
    await expect(run('yes', [], { object })).rejects.toMatchObject({ code: 'host_setup' })
  })
  test('may end without reading its input', async () => {
    expect(await run('true', [], { object, stdin: 'x'.repeat(1_000_000) })).toBe('')
  })
})
