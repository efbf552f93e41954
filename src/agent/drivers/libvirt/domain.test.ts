import { DOMParser } from '@xmldom/xmldom'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseId } from '../../../model/index.ts'
import { type DomainPlan, domainXml, memoryCostMiB } from './domain.ts'
import { slotOf } from './network/index.ts'

const host = parseId('HostId', 'local')
const plan: DomainPlan = {
  name: 'slw.local.m-01j00000000000000000000000',
  machine: parseId('MachineId', 'm-01j00000000000000000000000'),
  slot: slotOf({ host, uplink: '100.64.0.0/16', uidBase: 200_000, uidCount: 1_000 }, 7),
  spec: { vcpus: 2, memoryMiB: 1024 },
  acceleration: 'emulated',
  machineType: 'pc-i440fx-10.0',
  generationId: '8dc8cbb1-bf61-4ce5-8c97-2e614a8f9ae5',
  overlay: '/state/machines/m/disk.qcow2',
  backing: ['/images/tiny.qcow2'],
  wakes: false,
  tools: undefined,
  firmware: { kind: 'bios' },
  consoleLog: '/state/machines/m/console.log',
  consoleSocket: '/run/libvirt/console/7',
  kitSocket: '/run/libvirt/kit/7',
}
const parse = (xml: string) => new DOMParser().parseFromString(xml, 'text/xml')
const elements = (xml: string, name: string): readonly string[] =>
  Array.from(parse(xml).getElementsByTagName(name)).map((element) => String(element))
const devices = (xml: string): readonly string[] =>
  Array.from(parse(xml).getElementsByTagName('devices')[0]?.childNodes ?? []).map(({ nodeName }) => nodeName)

describe('a domain', () => {
  test('has the devices of the allow-list and no other', () => {
    const bare = [
      'emulator',
      'disk',
      'controller',
      'interface',
      'serial',
      'channel',
      'channel',
      'rng',
      'memballoon',
      'video',
    ]
    expect(devices(domainXml(plan))).toEqual(bare)
    expect(devices(domainXml({ ...plan, tools: '/tools.img' }))).toEqual(bare.toSpliced(2, 0, 'disk'))
    expect(elements(domainXml(plan), 'memballoon')).toEqual(['<memballoon model="none"/>'])
    expect(elements(domainXml(plan), 'controller')).toEqual(['<controller type="usb" model="none"/>'])
  })
  test('runs as its own uid, and libvirt changes no owner for it', () => {
    expect(elements(domainXml(plan), 'seclabel')).toEqual([
      '<seclabel type="static" model="dac" relabel="no"><label>+200007:+200007</label></seclabel>',
    ])
  })
  test('ends for good whatever its guest does', () => {
    const xml = domainXml(plan)
    for (const event of ['on_poweroff', 'on_reboot', 'on_crash'])
      expect(elements(xml, event)).toEqual([`<${event}>destroy</${event}>`])
  })
  test('names the whole chain of its disk and an end to it', () => {
    const [chain = ''] = elements(domainXml(plan), 'backingStore')
    expect(chain).toContain('<source file="/images/tiny.qcow2"/><backingStore/>')
    expect(chain).toContain('<format type="qcow2"/>')
  })
  test('has bounds for processor, disk and random numbers', () => {
    const xml = domainXml(plan)
    for (const bound of ['quota', 'emulator_quota', 'total_bytes_sec', 'total_iops_sec', 'rate'])
      expect(elements(xml, bound), bound).toHaveLength(1)
  })
  test('asks for no processor features one by one where it is emulated', () => {
    expect(elements(domainXml(plan), 'qemu:del')).toHaveLength(1)
    expect(elements(domainXml({ ...plan, acceleration: 'hardware' }), 'qemu:del')).toHaveLength(0)
  })
  test('carries the machine’s id and slot', () => {
    expect(elements(domainXml(plan), 'slipway:machine')).toEqual([
      expect.stringContaining('id="m-01j00000000000000000000000" slot="7"'),
    ])
  })
  test('boots by UEFI with variables of its own when its image does', () => {
    const firmware = { kind: 'uefi', code: '/code.fd', variables: '/state/machines/m/variables.fd' } as const
    const xml = domainXml({ ...plan, firmware })
    expect(elements(xml, 'loader')).toEqual([
      '<loader readonly="yes" secure="no" type="pflash">/code.fd</loader>',
    ])
    expect(elements(xml, 'nvram')).toEqual(['<nvram>/state/machines/m/variables.fd</nvram>'])
  })
  test('takes any path as a value and never as markup', () => {
    const paths = fc.string({ minLength: 1, unit: 'binary' }).filter((path) => isXmlText(path))
    const nasty = fc.constantFrom(
      `'/><disk type="block"/>`,
      ']]>',
      '<!--',
      '&amp;',
      'a,file=/etc/shadow',
      '\t\n',
    )
    fc.assert(
      fc.property(fc.oneof(paths, nasty), (path) => {
        const xml = domainXml({ ...plan, overlay: path, backing: [path], tools: path, consoleLog: path })
        expect(devices(xml)).toHaveLength(11)
        expect(parse(xml).getElementsByTagName('source')[0]?.getAttribute('file')).toBe(path)
      }),
    )
  })
  test('refuses a path that XML cannot hold', () => {
    expect(() => domainXml({ ...plan, overlay: '/a\u0000b' })).toThrow(/cannot stand in XML/)
  })
})

/** Characters that a parser gives back as they were: carriage returns it is told to change. */
const isXmlText = (text: string): boolean =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: XML's own list
  !/[\u0000-\u0008\u000b-\u001f\ufffe\uffff\u0085\u2028]/.test(text) && text.isWellFormed()

test('a machine costs its memory and what QEMU needs, more where code is translated', () => {
  expect(memoryCostMiB({ spec: plan.spec, acceleration: 'hardware' })).toBe(1280)
  expect(memoryCostMiB({ spec: plan.spec, acceleration: 'emulated' })).toBe(1408)
})

describe('a domain that has to do with templates', () => {
  const args = (changes: Partial<DomainPlan>): readonly string[] =>
    Array.from(parse(domainXml({ ...plan, ...changes })).getElementsByTagName('qemu:arg')).map(
      (arg) => arg.getAttribute('value') ?? '',
    )
  const backend = (changes: Partial<DomainPlan>): unknown => JSON.parse(args(changes)[1] ?? '')
  const memory = { path: '/templates/t/memory', kind: 'template' } as const

  test('has nothing of the kind when it only boots', () => {
    expect(args({})).toEqual([])
  })
  test('never opens the memory of its template for writing', () => {
    expect(backend({ memory, wakes: true })).toMatchObject({
      'mem-path': '/templates/t/memory',
      size: 1024 * 1024 * 1024,
      share: false,
      readonly: true,
      rom: 'off',
    })
  })
  test('keeps its own memory in a file when it is to be frozen', () => {
    expect(backend({ memory: { path: '/m/memory', kind: 'own' } })).toMatchObject({ share: true })
    expect(args({ memory: { path: '/m/memory', kind: 'own' } })).not.toContain('-incoming')
  })
  test('waits for its state when it wakes', () => {
    expect(args({ memory, wakes: true }).slice(-2)).toEqual(['-incoming', 'defer'])
    expect(args({ wakes: true })).toEqual(['-incoming', 'defer'])
  })
  test('takes no option from a path', () => {
    const path = '/a,share=on,readonly=off'
    expect(backend({ memory: { path, kind: 'template' } })).toMatchObject({ 'mem-path': path, share: false })
  })
  test('names its template’s disk, then the golden one', () => {
    const xml = domainXml({ ...plan, backing: ['/templates/t/disk.qcow2', '/images/tiny.qcow2'] })
    expect(elements(xml, 'source').slice(0, 3).join()).toBe(
      [
        '<source file="/state/machines/m/disk.qcow2"/>',
        '<source file="/templates/t/disk.qcow2"/>',
        '<source file="/images/tiny.qcow2"/>',
      ].join(),
    )
  })
})
