import { afterAll, beforeAll, expect, test } from 'vitest'
import { Connection } from './connection.ts'
import { domains } from './domains.ts'
import { FakeLibvirtd } from './fake-libvirtd.ts'
import {
  AffectFlag,
  CreateFlag,
  DefineFlag,
  DestroyFlag,
  ListFlag,
  SaveFlag,
  UndefineFlag,
  XmlFlag,
} from './flag.ts'
import { host } from './host.ts'

const dom = { name: 'm1', uuid: '6695eb01-f6a4-8304-79aa-97f2502e193f', id: 1 }
const xml = '<x/>'
const uri = 'https://slipway.test/1'
let fake: FakeLibvirtd
let connection: Connection

beforeAll(async () => {
  fake = await FakeLibvirtd.listen()
  connection = await Connection.open({ socketPath: fake.socketPath, uri: 'test:///default' })
})
afterAll(async () => {
  await connection.close()
  await fake[Symbol.asyncDispose]()
})

type Api = ReturnType<typeof domains>
type Case = readonly [
  procedure: Parameters<FakeLibvirtd['on']>[0],
  call: (api: Api) => Promise<unknown>,
  args: unknown,
  reply: unknown,
  result: unknown,
]

const cases: readonly Case[] = [
  [
    'connectListAllDomains',
    (api) => api.list({ flags: ListFlag.active | ListFlag.inactive }),
    { needResults: 1, flags: 3 },
    { domains: [dom], count: 1 },
    [dom],
  ],
  ['domainLookupByName', (api) => api.lookupByName('m1'), { name: 'm1' }, { dom }, dom],
  ['domainLookupByUuid', (api) => api.lookupByUuid(dom.uuid), { uuid: dom.uuid }, { dom }, dom],
  [
    'domainDefineXmlFlags',
    (api) => api.defineXml(xml, { flags: DefineFlag.validate }),
    { xml, flags: 1 },
    { dom },
    dom,
  ],
  [
    'domainCreateXml',
    (api) => api.createXml(xml, { flags: CreateFlag.paused | CreateFlag.autodestroy }),
    { xml, flags: 3 },
    { dom },
    dom,
  ],
  ['domainCreateWithFlags', (api) => api.create(dom), { dom, flags: 0 }, { dom }, dom],
  [
    'domainDestroyFlags',
    (api) => api.destroy(dom, { flags: DestroyFlag.graceful }),
    { dom, flags: 1 },
    {},
    undefined,
  ],
  ['domainShutdown', (api) => api.shutdown(dom), { dom }, {}, undefined],
  [
    'domainUndefineFlags',
    (api) => api.undefine(dom, { flags: UndefineFlag.nvram }),
    { dom, flags: 4 },
    {},
    undefined,
  ],
  [
    'domainSaveFlags',
    (api) => api.save(dom, '/saved', { flags: SaveFlag.paused }),
    { dom, to: '/saved', xml: undefined, flags: 4 },
    {},
    undefined,
  ],
  [
    'domainRestoreFlags',
    (api) => api.restore('/saved'),
    { from: '/saved', xml: undefined, flags: 0 },
    {},
    undefined,
  ],
  ['domainSuspend', (api) => api.suspend(dom), { dom }, {}, undefined],
  ['domainResume', (api) => api.resume(dom), { dom }, {}, undefined],
  [
    'domainGetState',
    (api) => api.getState(dom),
    { dom, flags: 0 },
    { state: 5, reason: 2 },
    { state: 'shutoff', reason: 'destroyed' },
  ],
  [
    'domainGetXmlDesc',
    (api) => api.getXml(dom, { flags: XmlFlag.inactive }),
    { dom, flags: 2 },
    { xml },
    xml,
  ],
  [
    'domainGetMetadata',
    (api) => api.getMetadata(dom, { uri }),
    { dom, type: 2, uri, flags: 0 },
    { metadata: xml },
    xml,
  ],
  [
    'domainSetMetadata',
    (api) => api.setMetadata(dom, xml, { uri, key: 'k', flags: AffectFlag.live }),
    { dom, type: 2, metadata: xml, key: 'k', uri, flags: 1 },
    {},
    undefined,
  ],
  ['domainAttachDeviceFlags', (api) => api.attachDevice(dom, xml), { dom, xml, flags: 0 }, {}, undefined],
  ['domainDetachDeviceFlags', (api) => api.detachDevice(dom, xml), { dom, xml, flags: 0 }, {}, undefined],
  [
    'domainUpdateDeviceFlags',
    (api) => api.updateDevice(dom, xml, { flags: AffectFlag.live }),
    { dom, xml, flags: 1 },
    {},
    undefined,
  ],
  [
    'connectGetAllDomainStats',
    (api) => api.statistics({ flags: 3 }),
    { doms: [], stats: 3, flags: 0 },
    {
      statistics: [
        {
          dom,
          params: [
            { field: 'state.state', value: { type: 1, value: 1 } },
            { field: 'cpu.time', value: { type: 4, value: 7n } },
          ],
        },
      ],
    },
    [
      {
        domain: dom,
        values: new Map<string, number | bigint>([
          ['state.state', 1],
          ['cpu.time', 7n],
        ]),
      },
    ],
  ],
]

test.each(cases)('%s', async (procedure, call, args, reply, result) => {
  fake.on(procedure, (received) => fake.reply(received, reply))
  fake.received.length = 0
  await expect(call(domains(connection))).resolves.toEqual(result)
  expect(fake.received).toMatchObject([{ name: procedure, args }])
})

test('the CPU model of the host ends at its first NUL', async () => {
  const numbers = { memoryKiB: 1n, cpus: 2, mhz: 3, nodes: 4, sockets: 5, cores: 6, threads: 7 }
  const model = [...Buffer.from('x86_64\0rest'.padEnd(32, '\0'))]
  fake.on('nodeGetInfo', (call) => fake.reply(call, { model, ...numbers }))
  await expect(host(connection).nodeInfo()).resolves.toEqual({ model: 'x86_64', ...numbers })
})

test('versions are unpacked', async () => {
  fake.on('connectGetLibVersion', (call) => fake.reply(call, { libVersion: 11_003_000n }))
  fake.on('connectGetVersion', (call) => fake.reply(call, { hypervisorVersion: 10_000_002n }))
  await expect(host(connection).libvirtVersion()).resolves.toBe('11.3.0')
  await expect(host(connection).hypervisorVersion()).resolves.toBe('10.0.2')
})
