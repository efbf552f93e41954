import { chmod, mkdir } from 'node:fs/promises'

/** Makes a directory with exactly this mode, whatever the umask, and whether or not it was there. */
export async function ensureDirectory(path: string, mode: number): Promise<void> {
  await mkdir(path, { recursive: true, mode })
  await chmod(path, mode)
}
