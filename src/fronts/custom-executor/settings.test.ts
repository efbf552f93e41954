import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readSettings, type Settings } from './settings.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'slipway-settings-'))
  await writeFile(join(directory, 'token'), 'slw_abc\n', { mode: 0o600 })
})
afterEach(() => rm(directory, { recursive: true }))

async function read(text: string): Promise<Settings> {
  const file = join(directory, 'custom-executor.toml')
  await writeFile(file, text)
  return readSettings(file)
}

test('a full file is read, and the token is a secret', async () => {
  const settings = await read(`
    socket = "/run/s.sock"
    token_file = "token"
    default_flavor = "small"
    flavors = ["large"]
    builds_dir = "/b"
    cache_dir = "/c"
    shell = "sh"
    prepare_deadline_s = 90
    [images]
    "debian:12" = { flavor = "debian", image = "debian-12" }
  `)
  expect(settings).toMatchObject({
    socket: '/run/s.sock',
    defaultFlavor: 'small',
    flavors: ['large'],
    shell: 'sh',
  })
  expect(settings).toMatchObject({ buildsDir: '/b', cacheDir: '/c', prepareDeadlineMs: 90_000 })
  expect(settings.images.get('debian:12')).toEqual({ flavor: 'debian', image: 'debian-12' })
  expect(settings.token.reveal()).toBe('slw_abc')
  expect(`${settings.token}`).not.toContain('abc')
})

test('what is left out has a default', async () => {
  const settings = await read('token_file = "token"')
  expect(settings).toMatchObject({
    socket: '/run/slipway/lease.sock',
    flavors: [],
    shell: 'bash',
    buildsDir: '/builds',
  })
})

test.each([
  ['', /token_file is missing/],
  ['token_file = "token"\ntypo = 1', /unknown key typo/],
  ['token_file = "token"\n[images]\nx = { flavor = "a", typo = 1 }', /unknown key images\."x"\.typo/],
  ['token_file = "token"\n[images]\nx = { flavor = "../a" }', /images\."x"\.flavor is not a flavor name/],
  ['token_file = "token"\n[images]\nx = { image = "a" }', /images\."x"\.flavor is missing/],
  ['token_file = "token"\nflavors = "a"', /flavors is not a list/],
  ['token_file = "token"\nshell = "zsh"', /shell is "bash" or "sh"/],
  ['token_file = "token"\nbuilds_dir = "b"', /builds_dir is not an absolute path/],
  ['token_file = "token"\nprepare_deadline_s = 0', /prepare_deadline_s is not seconds/],
  ['token_file = "none"', /cannot be read/],
  ['token_file = [', /is refused/],
])('%j is refused, naming what is wrong', async (text, message) => {
  await expect(read(text)).rejects.toMatchObject({ code: 'bad_config' })
  await expect(read(text)).rejects.toThrow(message)
})

test('a token that others can read is refused', async () => {
  await writeFile(join(directory, 'open'), 'slw_abc', { mode: 0o644 })
  await expect(read('token_file = "open"')).rejects.toThrow(/chmod 600/)
})
