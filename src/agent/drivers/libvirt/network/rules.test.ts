import { describe, expect, test } from 'vitest'
import { parseId } from '../../../../model/index.ts'
import { allowInHost, allowInNamespace, hostRules, linkRules, namespaceRules } from './rules.ts'
import { slotOf } from './slot.ts'

const slot = slotOf(
  { host: parseId('HostId', 'local'), uplink: '100.64.0.0/16', uidBase: 200_000, uidCount: 1_000 },
  1,
)
const ring = {
  table: 'slw.local.ring',
  uplinkPrefix: 'sw000000.',
  uplinks: '100.64.0.0/16',
  uidFirst: 200_000,
  uidLast: 200_999,
}
const dropped = (text: string): readonly string[] =>
  [...text.matchAll(/policy (drop|accept)/g)].map(([, policy = '']) => policy)

describe('the rules of a namespace', () => {
  test('drop by default in every direction', () => {
    expect(dropped(namespaceRules({ slot, resolver: undefined }))).toEqual(['drop', 'drop', 'drop'])
    expect(dropped(linkRules())).toEqual(['drop'])
  })
  test('let in SSH from the host’s end of the uplink, and nothing else', () => {
    const lines = namespaceRules({ slot, resolver: undefined }).split('\n')
    expect(lines.filter((line) => line.includes('iifname "up0"'))).toEqual([
      '    iifname "up0" oifname "tap0" ct status dnat ip daddr 10.99.0.2 tcp dport 22 accept',
      '    iifname "up0" ip saddr 100.64.0.5 ip daddr 100.64.0.6 tcp dport 22 dnat ip to 10.99.0.2',
    ])
  })
  test('know a resolver only if one is configured', () => {
    expect(namespaceRules({ slot, resolver: undefined })).not.toContain('dport 53')
    expect(namespaceRules({ slot, resolver: '192.0.2.53' })).toContain('dnat ip to 192.0.2.53')
  })
  test('refuse private ranges before they accept the rest, and after the allow-list', () => {
    const text = namespaceRules({ slot, resolver: undefined })
    const places = ['@allowed4 accept', '@denied4 counter drop', 'iifname "tap0" oifname "up0" accept'].map(
      (rule) => text.indexOf(rule),
    )
    expect(places).toEqual(places.toSorted((a, b) => a - b))
    expect(places).not.toContain(-1)
  })
})

describe('the host’s ring', () => {
  test('speaks of our own uplinks and uids alone', () => {
    const rules = hostRules({ ...ring, resolver: undefined })
      .split('\n')
      .filter((line) => /^ {4}(iif|oif|meta|ip)/.test(line))
    for (const rule of rules) expect(rule).toMatch(/"sw000000[.][*]"|skuid 200000-200999/)
  })
  test('closes machines off from each other before anything is accepted', () => {
    const text = hostRules({ ...ring, resolver: '192.0.2.53' })
    const forward = text.slice(text.lastIndexOf('chain forward'))
    expect(forward.indexOf('oifname "sw000000.*" counter drop')).toBeLessThan(forward.indexOf('accept'))
  })
})

test('an empty allow-list is no text at all', () => {
  expect(allowInNamespace([]) + allowInHost('slw.local.ring', slot, [])).toBe('')
})
