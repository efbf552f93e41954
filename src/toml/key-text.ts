/** `flavor[1].vcpus`: where in a file something stands, for people. */
export const keyText = (path: readonly PropertyKey[]): string =>
  path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .slice(1)
