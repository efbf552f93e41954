import { type ImageManifest, type MachineSpec, parseId } from '../../src/model/index.ts'

/** An image and a machine of it, for hosts that only need their names. */
export const anyImage: ImageManifest = {
  name: 'tiny',
  version: '1',
  os: 'linux',
  arch: 'x86_64',
  firmware: 'bios',
  user: 'root',
  digest: parseId('ImageDigest', `sha256:${'0'.repeat(64)}`),
  sizeBytes: 1,
  virtualBytes: 1,
  builtAt: '2030-01-01T00:00:00Z',
}

export const anySpec: MachineSpec = {
  flavor: parseId('FlavorName', 'tiny'),
  image: anyImage.digest,
  vcpus: 1,
  memoryMiB: 256,
  diskGiB: 1,
  network: { allow: [] },
  trustDomain: parseId('TrustDomain', 'default'),
  allowEmulation: true,
}
