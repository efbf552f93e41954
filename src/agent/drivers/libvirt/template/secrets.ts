/**
 * What looks like somebody's secret in the memory or on the disk of a machine that is about to be frozen. Each pattern
 * has an anchor, a text that is searched for at the speed of memory, and a test of what stands around it: programs that
 * handle secrets carry the anchors, and not what follows them.
 */
export interface SecretPattern {
  /** For people: "a private key". */
  readonly what: string
  readonly anchor: string
  /** Of the bytes around the anchor, one character each. */
  readonly test: RegExp
  /** Some programs and libraries carry one, to test themselves with. */
  readonly inPrograms?: boolean
}

/** Characters before an anchor and after it that its test may look at. */
export const BEFORE = 64
export const AFTER = 1024

/**
 * Random letters and digits, small letters alone in one of 15 million. The runner's own program has all prefixes in a
 * row, and words after them, one in another: no token.
 */
const gitlab = (prefix: string): SecretPattern => ({
  what: `a GitLab token (${prefix}…)`,
  anchor: prefix,
  test: new RegExp(`${prefix}(?=[a-z_-]{0,19}[A-Z0-9])[A-Za-z0-9_-]{20}`),
})

export const SECRET_PATTERNS: readonly SecretPattern[] = [
  {
    what: 'a private key',
    anchor: 'PRIVATE KEY',
    inPrograms: true,
    test: /-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY( BLOCK)?-----\r?\n([A-Za-z-]+: [^\r\n]{1,100}\r?\n)*(\r?\n)?[A-Za-z0-9+/]{40}/,
  },
  // Inside OpenSSH's armour, wherever its first line went.
  {
    what: 'an OpenSSH private key',
    anchor: 'b3BlbnNzaC1rZXktdjE',
    inPrograms: true,
    test: /b3BlbnNzaC1rZXktdjE[A-Za-z0-9+/\r\n]{60}/,
  },
  // As its parser holds it: no cipher, no derivation, one key (OpenSSH, PROTOCOL.key).
  {
    what: 'an OpenSSH private key',
    anchor: 'openssh-key-v1\0\0\0\0',
    test: /openssh-key-v1\0{4}[^\0][ -~]{4,40}\0{3}[^\0]/,
  },
  ...['glpat-', 'glrt-', 'glcbt-', 'gldt-', 'glptt-', 'glsoat-', 'glrtr-', 'glagent-'].map(gitlab),
  { what: 'a GitHub token', anchor: 'ghp_', test: /ghp_[A-Za-z0-9]{36}/ },
  { what: 'a GitHub token', anchor: 'github_pat_', test: /github_pat_[A-Za-z0-9]{22}_/ },
  // Not out of the middle of base 32. Amazon's documentation has one, which ends in EXAMPLE.
  {
    what: 'an AWS access key',
    anchor: 'AKIA',
    test: /(?<![A-Z0-9])AKIA(?![0-9A-Z]*EXAMPLE)[0-9A-Z]{16}(?![A-Z0-9])/,
  },
]

/** The patterns, and texts that must not be there whatever they look like. */
export const patternsFor = (forbidden: readonly string[]): readonly SecretPattern[] => [
  ...SECRET_PATTERNS,
  ...forbidden.map((text) => ({
    what: 'a text that was planted',
    anchor: text,
    test: new RegExp(literally(text)),
  })),
]

const literally = (text: string): string =>
  [...Buffer.from(text, 'utf8')].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
