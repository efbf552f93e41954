/**
 * The way out of a raw terminal: `~.` at the start of a line, as in ssh(1). `~~` there sends one tilde.
 *
 *   start ──~──► tilde ──.──► left
 *     ▲            └──~ or other──► middle
 *     └──CR / LF── middle
 */
export interface Typed {
  /** What goes to the other side. */
  readonly send: string
  /** True once `~.` was typed: nothing after it is sent. */
  readonly left: boolean
}

/** A filter for what a person types, chunk by chunk. */
export function escapeFilter(): (typed: string) => Typed {
  let state: 'start' | 'tilde' | 'middle' = 'start'
  return (typed) => {
    let send = ''
    for (const key of typed) {
      if (state === 'start' && key === '~') {
        state = 'tilde'
        continue
      }
      if (state === 'tilde' && key === '.') return { send, left: true }
      if (state === 'tilde' && key !== '~') send += '~'
      send += key
      state = key === '\r' || key === '\n' ? 'start' : 'middle'
    }
    return { send, left: false }
  }
}
