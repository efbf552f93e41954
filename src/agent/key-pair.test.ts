import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import ssh2 from 'ssh2'
import { expect, it } from 'vitest'
import { isPublicLine, makeKeyPair, publicLineOf } from './key-pair.ts'

it('writes a private key that ssh2 reads, belonging to the public line', () => {
  const pair = makeKeyPair(randomBytes)
  const parsed = ssh2.utils.parseKey(pair.privateKey.reveal())
  if (parsed instanceof Error) throw parsed
  expect(parsed.isPrivateKey()).toBe(true)
  expect(`ssh-ed25519 ${parsed.getPublicSSH().toString('base64')}`).toBe(pair.publicLine)
  expect(parsed.verify('text', parsed.sign('text') as Buffer)).toBe(true)
  expect(publicLineOf(pair.privateKey)).toBe(pair.publicLine)
  expect(isPublicLine(pair.publicLine)).toBe(true)
})

it('draws each pair anew, and prints none by accident', () => {
  const [a, b] = [makeKeyPair(randomBytes), makeKeyPair(randomBytes)]
  expect(a.publicLine).not.toBe(b.publicLine)
  expect(JSON.stringify(a)).not.toContain('OPENSSH')
})

it('takes for a public line nothing but one', () => {
  const { publicLine } = makeKeyPair(randomBytes)
  const base64 = publicLine.slice('ssh-ed25519 '.length)
  for (const line of [
    '',
    base64,
    `${publicLine} comment`,
    `${publicLine}\n`,
    ` ${publicLine}`,
    `command="x" ${publicLine}`,
    publicLine.replace('ssh-ed25519', 'ssh-rsa'),
    `ssh-ed25519 ${base64.slice(0, -4)}`,
    `ssh-ed25519 ${Buffer.alloc(51).toString('base64')}`,
  ]) {
    expect([line, isPublicLine(line)]).toEqual([line, false])
  }
  fc.assert(fc.property(fc.string(), (line) => !isPublicLine(line)))
})
