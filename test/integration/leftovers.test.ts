/** A run that is killed by hand leaves what the next one ends; what lives, and what is nobody's, is let alone. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { claim, endIfOrphaned } from '../runner/leftovers.ts'

const root = process.getuid?.() === 0

/** A folder as a test makes it, with a process that names it, one whose root is made of it, and a namespace. */
async function remains(host: string) {
  const folder = mkdtempSync('/tmp/slw-')
  const run = join(folder, 'run/libvirtd/run')
  mkdirSync(run, { recursive: true })
  execFileSync('ip', ['netns', 'add', `slw.${host}.1`])
  const enclose =
    'mount -t tmpfs none /run && mkdir /run/libvirt && mount --bind "$0" /run/libvirt && exec sleep 600'
  const children = [
    spawn('sh', ['-c', 'sleep 600; :', `${folder}/x`], { stdio: 'ignore' }),
    spawn('unshare', ['--mount', 'sh', '-c', enclose, run], { stdio: 'ignore' }),
  ]
  const ended = Promise.all(children.map((child) => once(child, 'exit')))
  onTestFinished(() => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
    if (existsSync(`/run/netns/slw.${host}.1`)) execFileSync('ip', ['netns', 'del', `slw.${host}.1`])
  })
  return { folder, ended, children }
}

test.skipIf(!root)('what a dead test left is ended and removed', async () => {
  const { folder, ended } = await remains('tleftover1')
  const script = `import { claim } from ${JSON.stringify(import.meta.resolve('../runner/leftovers.ts'))}
    claim(${JSON.stringify(folder)}, 'tleftover1')`
  execFileSync(process.execPath, ['--input-type=module', '-e', script])
  expect(await endIfOrphaned(folder)).toBe(true)
  await ended
  expect([existsSync(folder), existsSync('/run/netns/slw.tleftover1.1')]).toEqual([false, false])
})

test.skipIf(!root)(
  'what a living test uses is let alone, and so is what no test put its name to',
  async () => {
    const { folder, children } = await remains('tleftover2')
    expect(await endIfOrphaned(folder)).toBe(false)
    claim(folder, 'tleftover2')
    expect(await endIfOrphaned(folder)).toBe(false)
    writeFileSync(join(folder, 'test-owner.json'), 'x')
    expect(await endIfOrphaned(folder)).toBe(false)
    expect(children.map(({ exitCode, signalCode }) => [exitCode, signalCode])).toEqual([
      [null, null],
      [null, null],
    ])
    expect([existsSync(folder), existsSync('/run/netns/slw.tleftover2.1')]).toEqual([true, true])
  },
)
