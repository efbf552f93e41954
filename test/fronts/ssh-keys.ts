import ssh2 from 'ssh2'

const TRIES_MAX = 20

/** An ed25519 key pair. About one in a hundred that ssh2 1.17 makes cannot be read by it again. */
export function sshKeys(): { readonly private: string; readonly public: string } {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519')
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error)) return pair
  }
  throw new Error('ssh2 makes no readable key')
}
