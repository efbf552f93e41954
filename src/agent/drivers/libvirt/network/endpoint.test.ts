import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseEntry, resolveEndpoints } from './endpoint.ts'

describe('an entry of the allow-list', () => {
  test.each([
    ['10.0.0.5:443', { host: '10.0.0.5', port: 443 }],
    ['gitlab.example.test:8080', { host: 'gitlab.example.test', port: 8080 }],
  ])('%s is a host and a port', (entry, parsed) => {
    expect(parseEntry(entry)).toEqual(parsed)
  })
  test.each([
    '',
    ':443',
    'host',
    'host:',
    'host:0',
    'host:65536',
    'host:4 43',
    '10.0.0.256:443',
    '10.0.0:443',
    '-x:443',
    'a..b:443',
    'a b:443',
    '10.0.0.5 } ; flush ruleset ; add { 1.1.1.1:443',
    '$(reboot):1',
    '[::1]:443',
    '0.0.0.0/0:443',
  ])('%j is refused', (entry) => {
    expect(() => parseEntry(entry)).toThrow(expect.objectContaining({ code: 'bad_config' }))
  })
  test('never lets a character of nft’s grammar through', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(parseEntry(`${text}:443`).host).toMatch(/^[A-Za-z0-9.-]+$/)
        } catch (error) {
          expect(error).toMatchObject({ code: 'bad_config' })
        }
      }),
    )
  })
  test('stands once however often it is given', async () => {
    const endpoints = await resolveEndpoints(['10.0.0.5:443', '10.0.0.5:443', '10.0.0.5:80'])
    expect(endpoints).toEqual([
      { address: '10.0.0.5', port: 443 },
      { address: '10.0.0.5', port: 80 },
    ])
  })
  test('may be a name of the host’s own', async () => {
    expect(await resolveEndpoints(['localhost:443'])).toEqual([{ address: '127.0.0.1', port: 443 }])
  })
  test('is refused as a name that does not resolve', async () => {
    await expect(resolveEndpoints(['no-such-name.invalid:443'])).rejects.toMatchObject({ code: 'host_setup' })
  })
  test('is one of at most 64', async () => {
    const many = Array.from({ length: 65 }, (_, index) => `10.0.0.5:${index + 1}`)
    await expect(resolveEndpoints(many)).rejects.toMatchObject({ code: 'bad_config' })
  })
})
