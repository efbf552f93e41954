import { type MachineSpec, parseId, type TemplateShape } from '../../model/index.ts'

/** The machine that is booted to be frozen. What runs in it is its image's owner's, and no job: it may be emulated. */
export const mouldSpec = ({ image, vcpus, memoryMiB, diskGiB }: TemplateShape): MachineSpec => ({
  flavor: parseId('FlavorName', 'template'),
  image,
  vcpus,
  memoryMiB,
  diskGiB,
  network: { allow: [] },
  trustDomain: parseId('TrustDomain', 'template'),
  allowEmulation: true,
})
