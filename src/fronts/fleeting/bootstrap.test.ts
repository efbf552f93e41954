import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bootstrap, repositoryPath } from './bootstrap.ts'

describe('bootstrap', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'slipway-bootstrap-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const install = (repository?: string, plugins = folder) =>
    bootstrap({
      repository,
      env: { FLEETING_PLUGIN_PATH: plugins },
      version: '1.2.3',
      program: join(folder, "it's here"),
    })

  test('installs what starts this plugin, where a runner looks for it, and twice is as good as once', async () => {
    writeFileSync(join(folder, "it's here"), '#!/bin/sh\necho "plugin $*"\n', { mode: 0o755 })
    const path = await install('example.com/ci/slipway:latest')
    expect(path).toBe(join(folder, 'example.com/ci/slipway/1.2.3'))
    expect(await install('example.com/ci/slipway')).toBe(path)
    expect(execFileSync(join(path, 'plugin'), ['version'], { encoding: 'utf8' })).toBe('plugin version\n')
    expect(readdirSync(folder).sort()).toEqual(['example.com', "it's here"])
  })

  test('a folder that does not exist is said, and not made', async () => {
    const missing = join(folder, 'missing')
    await expect(install('slipway', missing)).rejects.toThrow(`folder ${missing} does not exist`)
    expect(readdirSync(folder)).toEqual([])
  })

  test.each(['', '../../etc', '/abs', 'a//b', 'a/../b', 'x'.repeat(300), 'a b'])(
    '%j is no repository',
    async (text) => {
      await expect(install(text)).rejects.toMatchObject({ code: 'bad_request' })
    },
  )

  test.each([
    ['slipway', '/gitlab-org/fleeting/plugins/slipway'],
    ['ci/slipway:1', '/ci/slipway'],
    ['example.com:8080/ci/slipway:1.2.3', 'example.com:8080/ci/slipway'],
  ])('%s is read as a runner reads it', (text, path) => expect(repositoryPath(text)).toContain(path))
})
