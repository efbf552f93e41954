import { describe, expect, test } from 'vitest'
import { handshakeLine, readInvitation } from './handshake.ts'

const invited = { FLEETING_INSTANCE_GROUP_PLUGIN: '4c6410b1-cb78-4962-8c76-ab936d0ea908' }
const refusal = (env: Record<string, string>): string => {
  try {
    readInvitation(env)
    return 'invited'
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
}

describe('a runner’s invitation', () => {
  test('is taken with nothing but the cookie', () => {
    expect(readInvitation(invited)).toEqual({
      socketFolder: '/tmp',
      clientCertificate: undefined,
      seventhField: false,
    })
  })

  test('says where the socket goes, before TMPDIR does', () => {
    expect(readInvitation({ ...invited, TMPDIR: '/t' }).socketFolder).toBe('/t')
    expect(readInvitation({ ...invited, TMPDIR: '/t', PLUGIN_UNIX_SOCKET_DIR: '/s' }).socketFolder).toBe('/s')
  })

  test.each([
    [{}, 'is not set'],
    [{ FLEETING_INSTANCE_GROUP_PLUGIN: 'x' }, 'a wrong one'],
    [{ ...invited, PLUGIN_PROTOCOL_VERSIONS: '7' }, 'speaks plugin protocol 7, this plugin speaks 0'],
    [{ ...invited, PLUGIN_PROTOCOL_VERSIONS: 'x'.repeat(9_000) }, 'speaks plugin protocol xxx'],
    [{ ...invited, PLUGIN_PROTOCOL_VERSIONS: '' }, 'speaks plugin protocol'],
    [{ ...invited, PLUGIN_CLIENT_CERT: 'x' }, 'holds no certificate'],
  ])('that is none is refused: %j', (env, says) => {
    expect(refusal(env)).toContain(says)
    expect(refusal(env).length).toBeLessThan(400)
  })

  test('with several protocols is taken when ours is one of them', () => {
    expect(refusal({ ...invited, PLUGIN_PROTOCOL_VERSIONS: '1, 0' })).toBe('invited')
  })
})

describe('the line', () => {
  test('has six fields, the last one empty without TLS', () => {
    expect(handshakeLine({ seventhField: false }, { socket: '/t/p' })).toBe('1|0|unix|/t/p|grpc|\n')
  })

  test('carries the certificate as base64 without padding, and a seventh field only for who asked', () => {
    const address = { socket: '/t/p', certificate: Buffer.from('abcd') }
    expect(handshakeLine({ seventhField: true }, address)).toBe('1|0|unix|/t/p|grpc|YWJjZA|false\n')
  })
})
