import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:tls'
import { expect, test } from 'vitest'
import { makeCertificate } from './certificate.ts'

test('a certificate is its own authority, for localhost, for both ends, valid from now on', () => {
  const { pem, der } = makeCertificate()
  const read = new X509Certificate(pem)
  expect(read.raw.equals(der)).toBe(true)
  expect(read.verify(read.publicKey)).toBe(true)
  expect(read.checkHost('localhost')).toBe('localhost')
  expect(read.ca).toBe(true)
  expect(read.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1'])
  expect(read.validFromDate.getTime()).toBeLessThan(Date.now())
  expect(read.validToDate.getTime()).toBeGreaterThan(Date.now())
})

test('no two are alike, and every serial is a positive number of 16 bytes', () => {
  const serials = Array.from({ length: 20 }, () => new X509Certificate(makeCertificate().pem).serialNumber)
  expect(new Set(serials).size).toBe(20)
  for (const serial of serials) expect(serial).toMatch(/^40[0-9A-F]{30}$/)
})

test('two ends that know each other’s certificate meet, a third is turned away', async () => {
  const [server, client, stranger] = [makeCertificate(), makeCertificate(), makeCertificate()]
  const listener = createServer(
    { key: server.privateKey, cert: server.pem, ca: client.pem, requestCert: true, rejectUnauthorized: true },
    (socket) => socket.end('hello'),
  )
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  const meet = ({ privateKey, pem }: typeof client): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect({
        port,
        host: '127.0.0.1',
        key: privateKey,
        cert: pem,
        ca: server.pem,
        servername: 'localhost',
      })
      socket.on('data', (data) => resolve(data.toString()))
      socket.on('error', (error) => resolve(error.message))
      socket.on('close', () => resolve('closed'))
    })
  expect(await meet(client)).toBe('hello')
  expect(await meet(stranger)).not.toBe('hello')
  listener.close()
})
