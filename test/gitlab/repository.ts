/** The project's git repository, served as files (git's "dumb" HTTP transport needs no program on the server). */
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, normalize } from 'node:path'
import { promisify } from 'node:util'
import type { Reply } from './reply.ts'

const run = promisify(execFile)
const BRANCH = 'main'

export interface Repository {
  readonly commit: string
  readonly branch: string
  serve(path: string): Promise<Reply>
}

/** Makes a bare repository with one commit under `directory`. */
export async function makeRepository(
  directory: string,
  files: Readonly<Record<string, string>>,
): Promise<Repository> {
  const work = join(directory, 'work')
  const bare = join(directory, 'project.git')
  await mkdir(work, { recursive: true })
  for (const [name, text] of Object.entries(files)) await writeFile(join(work, name), text)
  const identity = ['-c', 'user.name=test', '-c', 'user.email=test@invalid', '-c', 'commit.gpgsign=false']
  const git = (...args: string[]) => run('git', ['-C', work, ...identity, ...args])
  await git('init', '-q', '-b', BRANCH)
  await git('add', '.')
  await git('commit', '-q', '-m', 'first')
  await git('clone', '-q', '--bare', '.', bare)
  await run('git', ['-C', bare, 'update-server-info'])
  const { stdout } = await git('rev-parse', 'HEAD')
  return { commit: stdout.trim(), branch: BRANCH, serve: (path) => serve(bare, path) }
}

async function serve(bare: string, path: string): Promise<Reply> {
  const file = normalize(path)
  if (file.startsWith('..')) return { status: 404 }
  try {
    return { status: 200, headers: { 'cache-control': 'no-cache' }, body: await readFile(join(bare, file)) }
  } catch {
    return { status: 404 }
  }
}
