/** The host key a guest reported over its agent's channel, as the only key its SSH server may show. */

/** `ssh-ed25519 AAAA…` (RFC 4253, OpenSSH's one-line form), taken apart. */
export interface PinnedKey {
  /** Signature algorithms to offer, so that a server with several keys shows the pinned one. */
  readonly algorithms: readonly string[]
  /** True if `blob`, the key as it came over the wire, is the pinned one. */
  matches(blob: Buffer): boolean
}

/** The pinned key of `line`; undefined when the line is no public key we accept. */
export function parseHostKey(line: string): PinnedKey | undefined {
  const [type = '', base64 = ''] = line.trim().split(/\s+/)
  const algorithms = algorithmsOf.get(type)
  const blob = Buffer.from(base64, 'base64')
  if (algorithms === undefined || blob.length === 0 || blob.length > KEY_BYTES_MAX) return undefined
  return { algorithms, matches: (shown) => blob.equals(shown) }
}

const algorithmsOf: ReadonlyMap<string, readonly string[]> = new Map([
  ['ssh-ed25519', ['ssh-ed25519']],
  ['ecdsa-sha2-nistp256', ['ecdsa-sha2-nistp256']],
  ['ssh-rsa', ['rsa-sha2-512', 'rsa-sha2-256']],
])

const KEY_BYTES_MAX = 4_096
