/** A runner's token as its operator keeps it: one line in a file that is its owner's alone. */
import { readFile, stat } from 'node:fs/promises'
import { Secret, SlipwayError } from '../model/index.ts'

const FILE_BYTES_MAX = 4_096

/** Reads the token; `refuse` is told what is wrong with the file, for a message that names where it was configured. */
export async function readTokenFile(
  file: string,
  refuse: (detail: string) => never,
): Promise<Secret<string>> {
  try {
    const { size, mode } = await stat(file)
    if (size > FILE_BYTES_MAX) refuse(`token_file ${file} is larger than ${FILE_BYTES_MAX} bytes`)
    if ((mode & 0o077) !== 0) refuse(`token_file ${file} is open to others: chmod 600 it`)
    const text = (await readFile(file, 'utf8')).trim()
    if (!/^[\x21-\x7e]{1,256}$/.test(text)) refuse(`token_file ${file} holds no token`)
    return new Secret(text)
  } catch (error) {
    if (error instanceof SlipwayError) throw error
    return refuse(`token_file ${file}: it cannot be read: ${error instanceof Error ? error.message : error}`)
  }
}
