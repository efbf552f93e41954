import fc from 'fast-check'
import { expect, test } from 'vitest'
import { anySpec } from '../../test/conformance/image.ts'
import type { MachineSpec, Sharing } from './flavor.ts'
import { parseId } from './id.ts'
import { shapeKey, shapeOf } from './template.ts'

const specs = fc
  .record({
    domain: fc.constantFrom('red', 'blue', 'green'),
    flavor: fc.constantFrom('tiny', 'small'),
    memoryMiB: fc.constantFrom(256, 512),
    sharing: fc.constantFrom<Sharing>('trust-domain', 'host', 'none'),
  })
  .map(
    ({ domain, flavor, memoryMiB, sharing }): MachineSpec => ({
      ...anySpec,
      flavor: parseId('FlavorName', flavor),
      trustDomain: parseId('TrustDomain', domain),
      ...{ memoryMiB, sharing },
    }),
  )

const share = (a: MachineSpec, b: MachineSpec): boolean => shapeKey(shapeOf(a)) === shapeKey(shapeOf(b))

test('machines of two trust domains share a template only where both flavors let the whole host share', () => {
  fc.assert(
    fc.property(specs, specs, (a, b) => {
      if (a.trustDomain === b.trustDomain || !share(a, b)) return
      expect([a.sharing, b.sharing]).not.toContain('trust-domain')
      expect(a.sharing).toBe(b.sharing)
    }),
  )
})

test('machines share a template exactly if size, sharing and, where it counts, trust domain are the same', () => {
  fc.assert(
    fc.property(specs, specs, (a, b) => {
      const domains = a.sharing !== 'trust-domain' || a.trustDomain === b.trustDomain
      expect(share(a, b)).toBe(a.memoryMiB === b.memoryMiB && a.sharing === b.sharing && domains)
    }),
  )
})
