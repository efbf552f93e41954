import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeKeyPair } from '../../../key-pair.ts'
import { findSecrets, inspect } from './inspect.ts'
import { isInProgram } from './own.ts'
import { patternsFor, SECRET_PATTERNS } from './secrets.ts'

const never = new AbortController().signal
const MIB = 1024 * 1024
let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'inspect-'))
})
afterAll(() => rm(dir, { recursive: true }))

const openssh = makeKeyPair((bytes) => randomBytes(bytes)).privateKey.reveal()
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const secrets: Readonly<Record<string, string | Buffer>> = {
  'an OpenSSH key': openssh,
  'its body without the first line': openssh.split('\n').slice(1).join('\n'),
  'its body as a parser holds it': Buffer.from(openssh.split('\n').slice(1, -2).join(''), 'base64'),
  'a PKCS#8 key': rsa.export({ type: 'pkcs8', format: 'pem' }),
  'a PKCS#1 key with carriage returns': String(rsa.export({ type: 'pkcs1', format: 'pem' })).replaceAll(
    '\n',
    '\r\n',
  ),
  'an encrypted PKCS#1 key': rsa.export({
    type: 'pkcs1',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'x',
  }),
  'a personal token': 'token=glpat-Ab3dEf6hIj9kLmN0pQrS&',
  'a runner token': '"glrt-t1_Ab3dEf6hIj9kLmN0pQrS"',
  'a job token': 'glcbt-64_Ab3dEf6hIj9kLmN0pQrS',
  'an AWS key id': 'AWS_ACCESS_KEY_ID=AKIAQYLPMN5HHHFPZAM2\n',
  'a GitHub token': `ghp_${'aB3'.repeat(12)}\n`,
}
/** What programs that handle secrets carry in their own code and documents. */
const innocent: readonly string[] = [
  '-----BEGIN OPENSSH PRIVATE KEY-----\n\0-----END OPENSSH PRIVATE KEY-----\n',
  '-----BEGIN %s PRIVATE KEY-----\nENCRYPTED',
  'ANY PRIVATE KEY\0RSA PRIVATE KEY\0EC PRIVATE KEY\0',
  '-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE',
  'openssh-key-v1\0none\0',
  'openssh-key-v1\0\0\0\0\0\0\0\0',
  'glpat-[0-9a-zA-Z_\\-]{20}',
  'glrt-\0glpat-\0',
  'the prefix of tokens (glpat-) is configurable',
  'glpat-gloas-glcbt-glptt-glimt-gltok-netdnsdomaingopher',
  'glrt-shellstartlogincache%d %s%s...serve%s-%d',
  'AKIAIOSFODNN7EXAMPLE',
  'ASNAKIAQYLPMN5HHHFPZAM2',
  'ghp_ gho_ ghu_',
]

describe('the search for secrets', () => {
  for (const [name, secret] of Object.entries(secrets))
    test(`finds ${name}`, () => {
      expect(
        findSecrets(Buffer.concat([randomBytes(512), Buffer.from(secret)]), SECRET_PATTERNS),
      ).not.toEqual([])
    })
  for (const text of innocent)
    test(`takes ${JSON.stringify(text)} for no secret`, () => {
      expect(findSecrets(Buffer.from(`\0\0${text}\0\0`), SECRET_PATTERNS)).toEqual([])
    })
  test('finds a text that was forbidden, whatever characters it has', () => {
    const planted = 'canary.*+?(ä€)\\'
    const bytes = Buffer.from(`before ${planted} after`)
    const whats = (forbidden: string) =>
      findSecrets(bytes, patternsFor([forbidden])).map(({ pattern }) => pattern.what)
    expect(whats(planted)).toEqual(['a text that was planted'])
    expect(whats(`${planted}!`)).toEqual([])
  })
})

describe('a file', () => {
  const file = async (content: Buffer): Promise<string> => {
    const path = join(dir, 'file')
    await writeFile(path, content)
    return path
  }
  test('has the digest and size of all of it', async () => {
    const content = randomBytes(3 * MIB + 17)
    const found = await inspect(await file(content), { patterns: SECRET_PATTERNS, signal: never })
    expect(found).toEqual({
      sha256: createHash('sha256').update(content).digest('hex'),
      bytes: content.length,
      secrets: [],
    })
  })
  test('hides no secret where it is read in two parts', async () => {
    const token = Buffer.from(' glpat-Ab3dEf6hIj9kLmN0pQrS ')
    for (let cut = 0; cut <= token.length; cut++) {
      const content = Buffer.alloc(2 * MIB)
      token.copy(content, MIB - cut)
      const found = await inspect(await file(content), { patterns: SECRET_PATTERNS, signal: never })
      expect(found.secrets, `cut after ${cut}`).toMatchObject([{ text: 'glpat-Ab3dEf6hIj9kLmN0pQrS' }])
    }
  })
  test('is not read to its end when that is told to stop', async () => {
    const reason = new Error('stop')
    const path = await file(Buffer.alloc(MIB))
    await expect(inspect(path, { patterns: [], signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })
})

describe('a key in an image', () => {
  const key = Buffer.from(openssh)
  test('is a program’s own if it stands among what no text has', () => {
    expect(isInProgram(Buffer.concat([Buffer.from('self_test\0\0\x7f'), key]), 12, 0)).toBe(true)
  })
  test('is a key if it is a file, or stands in one that people write', () => {
    const written = Buffer.from('# für Müller\r\nkey = """\n')
    expect(isInProgram(Buffer.concat([written, key]), written.length, 0)).toBe(false)
    const before = Buffer.concat([Buffer.alloc(4096), key])
    expect(isInProgram(before, 4096, 0)).toBe(false)
    expect(isInProgram(before.subarray(96), 4000, 96)).toBe(false)
  })
})
