/** The Packer recipes as Packer reads them, where it is installed; `test/e2e/packer.test.ts` runs jobs in what they make. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const top = join(import.meta.dirname, '../..')
let work = ''
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'packer-test-'))
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(work, 'key')])
  execFileSync('mkdir', [join(work, 'seed')])
  for (const name of ['base.qcow2', 'guest.tar']) writeFileSync(join(work, name), '')
})
afterAll(() => rmSync(work, { recursive: true }))

const validate = (...more: readonly string[]) => {
  const given = {
    base: join(work, 'base.qcow2'),
    base_checksum: `sha256:${'0'.repeat(64)}`,
    work,
    out: join(work, 'out'),
  }
  const vars = Object.entries(given).flatMap(([name, value]) => ['-var', `${name}=${value}`])
  const env = { ...process.env, CHECKPOINT_DISABLE: '1', HOME: work }
  return spawnSync('packer', ['validate', ...vars, ...more, join(top, 'packer/linux')], {
    encoding: 'utf8',
    env,
  })
}

describe.skipIf(spawnSync('packer', ['version']).error !== undefined)('packer', () => {
  it('accepts both recipes', () => {
    expect(validate('-var', 'accelerator=tcg')).toMatchObject({ status: 0 })
  })
  it('refuses a variable that none of them has', () => {
    expect(validate('-var', 'colour=red').status).not.toBe(0)
  })
})

it('what runs in the guest is good shell', () => {
  for (const script of [
    'build',
    'base',
    'guest/install',
    'guest/seal',
    'guest/files/usr/local/sbin/slipway-network',
    'guest/files/usr/local/sbin/slipway-grow',
  ]) {
    execFileSync('sh', ['-n', join(top, 'packer/linux', script)])
  }
})

it('every file that a cloud image is given is there', () => {
  const install = readFileSync(join(top, 'packer/linux/guest/install'), 'utf8')
  const named = [...install.matchAll(/\b(?:etc|usr)\/[\w./@-]+[\w]/g)].map(([path]) => path)
  const given = named.filter((path) =>
    /^(etc\/(ssh|systemd\/(system\/(qemu|slipway)|journald))|usr\/local\/sbin\/slipway-g)/.test(path),
  )
  expect(given.length).toBeGreaterThan(5)
  for (const path of given) expect(readFileSync(join(top, 'images/debian/files', path), 'utf8')).not.toBe('')
})
