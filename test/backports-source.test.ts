/** `bin/backports-source` on made-up apt folders: the mirror is the host's own, whichever way it is written. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, expect, test } from 'vitest'

const program = join(import.meta.dirname, '../bin/backports-source')
const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

function apt(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-apt-'))
  folders.push(folder)
  mkdirSync(join(folder, 'sources.list.d'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

const added = (folder: string): string => {
  execFileSync('sh', [program, 'bookworm', folder])
  return readFileSync(join(folder, 'sources.list.d/slipway-backports.sources'), 'utf8')
}

const stanza = (uri: string, key: string): string =>
  `Types: deb\nURIs: ${uri}\nSuites: bookworm-backports\nComponents: main\nSigned-By: ${key}\n`

test('a one-line source gives its mirror and its key', () => {
  const line = 'deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib\n'
  const folder = apt({ 'sources.list': `# deb http://old.example/ bookworm main\n${line}` })
  expect(added(folder)).toBe(stanza('http://mirror.example/debian', '/k.gpg'))
})

test('a deb822 source gives its mirror and its key, security and others are passed over', () => {
  const text = `Types: deb
URIs: http://mirror.example/security
Suites: bookworm-security
Components: main
Signed-By: /s.gpg

# ours
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /k.gpg
`
  expect(added(apt({ 'sources.list.d/debian.sources': text }))).toBe(
    stanza('http://mirror.example/debian', '/k.gpg'),
  )
})

test('a source without a key stays without one', () => {
  const folder = apt({ 'sources.list': 'deb http://mirror.example/debian/ bookworm main\n' })
  expect(added(folder)).not.toContain('Signed-By')
})

test('where backports are there already nothing is added', () => {
  const folder = apt({
    'sources.list': 'deb http://m.example/ bookworm main\ndeb http://m.example/ bookworm-backports main\n',
  })
  execFileSync('sh', [program, 'bookworm', folder])
  expect(spawnSync('ls', [join(folder, 'sources.list.d')]).stdout.toString()).toBe('')
})

test('where no source of the release is found it fails and adds nothing', () => {
  const folder = apt({ 'sources.list': 'deb http://m.example/ trixie main\n' })
  expect(spawnSync('sh', [program, 'bookworm', folder]).status).toBe(1)
})
