/** Real sockets; SSH servers and clients of this process, the clients' own check of the host key off as the runner's is. */
import { once } from 'node:events'
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net'
import ssh2, { type Connection } from 'ssh2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sshKeys } from '../../../../test/fronts/ssh-keys.ts'
import type { SlipwayError } from '../../../model/index.ts'
import { openTunnel, type Tunnel, type TunnelOptions } from './tunnel.ts'

const hostKeys = sshKeys()
const otherKeys = sshKeys()
const userKeys = sshKeys()
const BIG = 8_000_000

let over: AbortController
let failures: SlipwayError[]
const closers: (() => void)[] = []
beforeEach(() => {
  over = new AbortController()
  failures = []
})
afterEach(() => {
  over.abort()
  for (const close of closers.splice(0)) close()
})

async function listening(server: Pick<Server, 'listen' | 'address' | 'close'>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => server.close())
  return (server.address() as AddressInfo).port
}

/** What a machine's server heard of a client; it echoes, and `big` says a lot. */
async function machine(): Promise<{ readonly port: number; readonly heard: string[] }> {
  const heard: string[] = []
  const connections: Connection[] = []
  const server = new ssh2.Server({ hostKeys: [hostKeys.private] }, (connection) => {
    connections.push(connection)
    connection.on('error', () => undefined).on('close', () => heard.push('closed'))
    connection.on('authentication', (context) => {
      heard.push(context.method)
      if (context.method === 'publickey') context.accept()
      else context.reject(['publickey'])
    })
    connection.on('session', (accept) => {
      accept().on('exec', (acceptExec, _reject, { command }) => {
        const channel = acceptExec()
        if (command === 'big') channel.end(Buffer.alloc(BIG, 'x'))
        else channel.on('data', (data: Buffer) => channel.write(data)).on('end', () => channel.end())
      })
    })
  })
  closers.push(() => {
    for (const connection of connections) connection.end()
  })
  return { port: await listening(server as unknown as Server), heard }
}

/** A server that says what it is told to, and keeps its connections. */
async function teller(says: string | Buffer): Promise<{ readonly port: number; readonly sockets: Socket[] }> {
  const sockets: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket.on('error', () => undefined).resume())
    socket.write(says)
  })
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
  })
  return { port: await listening(server), sockets }
}

const tunnelTo = (port: number, more: Partial<TunnelOptions> = {}): Promise<Tunnel> =>
  openTunnel({
    access: { address: '127.0.0.1', port, hostKey: hostKeys.public },
    instance: 'fleeting.g.1',
    onFailure: (error) => failures.push(error),
    restMs: 60_000,
    signal: over.signal,
    ...more,
  })

/** A client that takes any host key. Gives what `command` says, or throws as it was turned away. */
async function run({ port }: { readonly port: number }, command: string, stdin = ''): Promise<string> {
  const client = new ssh2.Client()
  const closed = new Promise<never>((_, reject) => {
    client.on('error', reject).on('close', () => reject(new Error('closed')))
  })
  const said = new Promise<string>((resolve, reject) => {
    client.on('ready', () =>
      client.exec(command, (error, channel) => {
        if (error !== undefined) return reject(error)
        let text = ''
        channel.on('data', (data: Buffer) => (text += data)).on('close', () => resolve(text))
        channel.end(stdin)
      }),
    )
  })
  client.connect({ host: '127.0.0.1', port, username: 'job', privateKey: userKeys.private })
  try {
    return await Promise.race([said, closed])
  } finally {
    client.on('error', () => undefined)
    client.destroy()
  }
}

function knock({ port }: { readonly port: number }, says = ''): Socket {
  const socket = dial({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => undefined)
  socket.write(says)
  return socket
}

const ended = async (socket: Socket): Promise<string> => {
  let text = ''
  socket.on('data', (data: Buffer) => (text += data)).on('end', () => socket.end())
  if (!socket.closed) await once(socket, 'close')
  return text
}

/** The client may hear of it first. */
const failed = (...codes: readonly string[]) =>
  expect.poll(() => failures.map(({ code }) => code)).toEqual(codes)

describe('through a tunnel', () => {
  test('a machine of the pinned key is reached, by several at once, in both directions', async () => {
    const { port } = await machine()
    const tunnel = await tunnelTo(port)
    const words = ['one', 'two', 'three']
    expect(await Promise.all(words.map((word) => run(tunnel, 'echo', word)))).toEqual(words)
    expect((await run(tunnel, 'big')).length).toBe(BIG)
    expect(failures).toEqual([])
  })

  test('one of another key is refused before the client says who it is, and that is told', async () => {
    const { port, heard } = await machine()
    const access = { address: '127.0.0.1', port, hostKey: otherKeys.public }
    const tunnel = await tunnelTo(port, { access })
    await expect(run(tunnel, 'echo', 'secret')).rejects.toThrow()
    await failed('host_key_mismatch')
    expect(failures[0]?.args.machine).toBe('fleeting.g.1')
    expect(heard.filter((what) => what !== 'closed')).toEqual([])
    // The same client, with nobody to check the key for it.
    expect(await run({ port }, 'echo', 'secret')).toBe('secret')
    expect(heard).toContain('publickey')
  })

  test('what is no SSH server says nothing to the client', async () => {
    const { port } = await teller('HTTP/1.1 200 OK\r\n\r\n')
    const client = knock(await tunnelTo(port), 'SSH-2.0-x\r\n')
    expect(await ended(client)).toBe('')
    await failed('ssh_failed')
    expect(failures[0]?.message).toContain('no SSH-2.0- line first')
  })

  test('a machine that does not answer, or hangs up, ends the connection, and that is told', async () => {
    const { port, sockets } = await teller('SSH-2.0-x\r\n')
    const client = knock(await tunnelTo(port))
    const [identification] = await once(client, 'data')
    expect(String(identification)).toBe('SSH-2.0-x\r\n')
    sockets[0]?.end()
    expect(await ended(client)).toBe('')
    const free = createServer()
    const nobody = await listening(free)
    free.close()
    await once(free, 'close')
    expect(await ended(knock(await tunnelTo(nobody)))).toBe('')
    await failed('ssh_failed', 'ssh_failed')
    expect(failures[0]?.message).toContain('the connection closed')
    expect(failures[1]?.message).toContain('ECONNREFUSED')
  })

  test('a key exchange that takes too long is ended', async () => {
    const { port } = await teller('SSH-2.0-x\r\n')
    const client = knock(await tunnelTo(port, { exchangeMs: 50 }))
    expect(await ended(client)).toBe('SSH-2.0-x\r\n')
    await failed('ssh_failed')
    expect(failures[0]?.message).toContain('no key exchange in 50 ms')
  })

  test('a client that leaves is no failure, and the machine hears of it', async () => {
    const { port, sockets } = await teller('SSH-2.0-x\r\n')
    const tunnel = await tunnelTo(port)
    for (const leave of [(client: Socket) => client.end(), (client: Socket) => client.resetAndDestroy()]) {
      const client = knock(tunnel, 'SSH-2.0-y\r\n')
      await once(client, 'data')
      const far = sockets.at(-1)
      const closed = far && once(far, 'close')
      far?.once('end', () => far.end())
      leave(client)
      await closed
    }
    expect(failures).toEqual([])
  })

  test('a machine that does not hang up after its client is left alone in the end', async () => {
    const { port } = await teller('SSH-2.0-x\r\n')
    const client = knock(await tunnelTo(port, { closingMs: 20 }))
    await once(client, 'data')
    client.end()
    await ended(client)
  })

  test('no more connections than its limit are carried', async () => {
    const { port, sockets } = await teller('SSH-2.0-x\r\n')
    const tunnel = await tunnelTo(port)
    const clients = Array.from({ length: 70 }, () => knock(tunnel))
    const turnedAway = await Promise.all(
      clients.map((client) =>
        Promise.race([once(client, 'data').then(() => false), once(client, 'end').then(() => true)]),
      ),
    )
    expect(turnedAway.filter(Boolean)).toHaveLength(70 - 64)
    expect(sockets).toHaveLength(64)
    for (const client of clients) client.destroy()
  })
})

describe('a tunnel that is closed', () => {
  test('cuts its connections and keeps its port, so that nobody else is found there', async () => {
    const { port, sockets } = await teller('SSH-2.0-x\r\n')
    const tunnel = await tunnelTo(port)
    const client = knock(tunnel)
    await once(client, 'data')
    tunnel.close()
    await ended(client)
    expect(await ended(knock(tunnel))).toBe('')
    const squatter = createServer().listen(tunnel.port, '127.0.0.1')
    const [error] = await once(squatter, 'error')
    expect(error).toMatchObject({ code: 'EADDRINUSE' })
    expect(sockets).toHaveLength(1)
    expect(failures).toEqual([])
  })

  test.each([
    ['once it has rested', (tunnel: Tunnel) => tunnel.close()],
    ['at once with its plugin', () => over.abort()],
  ])('gives its port back %s', async (_, close) => {
    const { port } = await teller('SSH-2.0-x\r\n')
    const tunnel = await tunnelTo(port, { restMs: 20 })
    const client = knock(tunnel)
    await once(client, 'data')
    close(tunnel)
    await ended(client)
    const isFree = async (): Promise<boolean> => {
      const server = createServer().listen(tunnel.port, '127.0.0.1')
      const free = await once(server, 'listening').then(
        () => true,
        () => false,
      )
      server.close()
      return free
    }
    while (!(await isFree())) await new Promise((resolve) => setTimeout(resolve, 5))
  })
})

test('no tunnel is opened for a key that no server could show, nor when the plugin ends', async () => {
  const access = { address: '127.0.0.1', port: 1, hostKey: 'ssh-foo AAAA' }
  await expect(tunnelTo(1, { access })).rejects.toMatchObject({ code: 'ssh_failed' })
  over.abort(new Error('the end'))
  await expect(tunnelTo(1)).rejects.toThrow('the end')
})
