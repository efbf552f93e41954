/** Completion in the shells themselves, as far as they are installed; bash always is. */
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fakeCoordinator } from '../cli/fake-coordinator.ts'

let dir = ''
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'completion-'))
  const main = join(import.meta.dirname, '../../src/cli/main.ts')
  writeFileSync(join(dir, 'slipway'), `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`, {
    mode: 0o755,
  })
})
afterAll(() => rmSync(dir, { recursive: true }))

const flavors = ['debian', 'deep', 'tiny'].map((name) => ({ name, image: name }))

/** What `shell` makes of `script`, with slipway on its path and a coordinator that knows three flavors. */
async function inShell(program: string, script: string): Promise<readonly string[]> {
  await using server = await fakeCoordinator({ 'GET /v1/flavors': { body: { flavors } } })
  const env = { ...process.env, PATH: `${dir}:${process.env.PATH}`, SLIPWAY_SOCKET: server.socket, HOME: dir }
  const { stdout } = await promisify(execFile)(program, ['-c', script], { env, cwd: dir })
  return stdout.split('\n').filter((line) => line !== '')
}

const bash = (...words: readonly string[]) =>
  inShell(
    'bash',
    `. <(slipway completion bash); complete -p slipway >/dev/null
     COMP_WORDS=(slipway ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}
     compopt() { :; }; _slipway; printf '%s\\n' "\${COMPREPLY[@]}"`,
  )

describe('bash', () => {
  test('completes commands', async () => {
    expect(await bash('image', 'i')).toEqual(['import', 'inspect'])
  })
  test('completes names that the coordinator knows', async () => {
    expect(await bash('run', 'de')).toEqual(['debian', 'deep'])
  })
  test('completes options', async () => {
    expect(await bash('config', 'show', '--o')).toEqual(['--origin'])
  })
  test('completes files where a file is meant', async () => {
    writeFileSync(join(dir, 'a disk.qcow2'), '')
    expect(await bash('image', 'import', 'a')).toEqual(['a disk.qcow2'])
  })
  test('says nothing of a guest’s command', async () => {
    expect(await bash('run', 'debian', '--', 'l')).toEqual([])
  })
  test('has no answer, and no complaint, where nothing runs', () => {
    const env = { ...process.env, PATH: `${dir}:${process.env.PATH}`, SLIPWAY_SOCKET: '/nonexistent' }
    const asked = spawnSync('slipway', ['complete', '--', 'run', ''], { env, encoding: 'utf8' })
    expect(asked).toMatchObject({ status: 0, stdout: '', stderr: '' })
  })
  test('completes shells whatever stands in the configuration', () => {
    writeFileSync(join(dir, 'coordinator.toml'), 'run =')
    const env = { PATH: `${dir}:${process.env.PATH}`, SLIPWAY_CONFIG: dir }
    const asked = spawnSync('slipway', ['complete', '--', 'completion', ''], { env, encoding: 'utf8' })
    expect(asked).toMatchObject({ status: 0, stdout: 'bash\t\nzsh\t\nfish\t\n', stderr: '' })
  })
})

const has = (program: string) => spawnSync(program, ['--version']).error === undefined

describe.skipIf(!has('zsh'))('zsh', () => {
  test('loads it, and offers each candidate with what it is', async () => {
    const script = `autoload -Uz compinit; compinit -u -D; . <(slipway completion zsh)
      print -r -- "\${_comps[slipway]}"
      _describe() { print -rl -- "\${found[@]}" }
      words=(slipway image i); CURRENT=3; _slipway`
    const [registered, ...candidates] = await inShell('zsh', script)
    expect(registered).toBe('_slipway')
    expect(candidates).toEqual([
      expect.stringMatching(/^import:take in/),
      expect.stringMatching(/^inspect:print/),
    ])
  })
})

describe.skipIf(!has('fish'))('fish', () => {
  test('completes commands, names and options', async () => {
    const ask = (line: string) => inShell('fish', `slipway completion fish | source; complete -C '${line}'`)
    expect((await ask('slipway image i')).map((line) => line.split('\t')[0])).toEqual(['import', 'inspect'])
    expect((await ask('slipway run de')).map((line) => line.split('\t')[0])).toEqual(['debian', 'deep'])
    expect(await ask('slipway run debian -- l')).toEqual([])
  })
})

test('what each shell loads is good syntax to it', () => {
  for (const shell of ['bash', 'zsh', 'fish'].filter(has)) {
    const script = execFileSync(join(dir, 'slipway'), ['completion', shell], { encoding: 'utf8' })
    writeFileSync(join(dir, `script.${shell}`), script)
    execFileSync(shell, ['-n', join(dir, `script.${shell}`)])
  }
})
