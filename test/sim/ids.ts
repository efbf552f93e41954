import type { Random } from './random.ts'

/** 26 characters of a ULID's alphabet: counted, so that they sort as they were made, and seeded. */
export function ulids(random: Random): () => string {
  let count = 0
  return () => {
    const tail = Array.from({ length: RANDOM_CHARS }, () => ALPHABET[random.int(0, 31)]).join('')
    return (count++).toString(10).padStart(26 - RANDOM_CHARS, '0') + tail
  }
}

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const RANDOM_CHARS = 8
