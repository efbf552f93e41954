import { expect, test } from 'vitest'
import { parseId, type TemplateShape } from '../../../../model/index.ts'
import { type KeyFacts, templateKey } from './key.ts'

const shape: TemplateShape = {
  image: parseId('ImageDigest', `sha256:${'0'.repeat(64)}`),
  vcpus: 1,
  memoryMiB: 256,
  diskGiB: 8,
  sharing: 'trust-domain',
  trustDomain: parseId('TrustDomain', 'default'),
}
const facts: KeyFacts = {
  shape,
  mode: 'shared-memory',
  tools: undefined,
  domain: '<domain/>',
  programs: ['QEMU emulator version 10.0.2 (Debian 1)', 'libvirtd 11.3.0'],
  cpu: undefined,
}

test('each fact is another template', () => {
  const others: readonly Partial<KeyFacts>[] = [
    { mode: 'mapped-ram' },
    { tools: 'aa' },
    { domain: '<domain ></domain>' },
    { programs: ['QEMU emulator version 10.0.2 (Debian 2)', 'libvirtd 11.3.0'] },
    { cpu: 'Genuine|1' },
    { shape: { ...shape, trustDomain: parseId('TrustDomain', 'other') } },
    { shape: { ...shape, memoryMiB: 257 } },
  ]
  const keys = others.map((other) => templateKey({ ...facts, ...other }))
  expect(new Set([templateKey(facts), ...keys]).size).toBe(others.length + 1)
})
test('the same facts are the same template, in whatever order they are said', () => {
  const turned = Object.fromEntries(Object.entries(shape).toReversed()) as unknown as TemplateShape
  expect(templateKey({ ...facts, shape: turned })).toBe(templateKey(facts))
})
