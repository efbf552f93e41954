/** The whole small GitLab on one port: runner API, git over HTTP, and the S3 bucket of the distributed cache. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Job, type JobSpec } from './job.ts'
import { type Reply, send } from './reply.ts'
import { makeRepository, type Repository } from './repository.ts'
import { type Backlog, runnerApi } from './runner-api.ts'
import { type Bucket, s3 } from './s3.ts'

export interface GitLabOptions {
  /** For the git repository. */
  readonly directory: string
  /** Address to listen on, which the guests reach too. */
  readonly host?: string
  readonly files?: Readonly<Record<string, string>>
}

export interface GitLab extends AsyncDisposable {
  readonly url: string
  readonly runnerToken: string
  readonly bucket: Bucket
  /** Requests that did not fit: empty after a clean run. */
  readonly refusals: readonly string[]
  queue(spec: JobSpec): Job
}

export async function startGitLab({ directory, host = '127.0.0.1', files }: GitLabOptions): Promise<GitLab> {
  const repository = await makeRepository(directory, files ?? { 'README.md': 'a project\n' })
  const bucket: Bucket = {
    name: 'runner-cache',
    accessKey: 'test-access',
    secretKey: randomBytes(16).toString('hex'),
    objects: new Map(),
  }
  const server = createServer()
  server.listen(0, host)
  await once(server, 'listening')
  const url = `http://${host}:${(server.address() as AddressInfo).port}`
  const backlog: Backlog = {
    runnerToken: `glrt-${randomBytes(10).toString('hex')}`,
    project: { url, commit: repository.commit, branch: repository.branch },
    jobs: [],
    refusals: [],
  }
  server.on('request', (request: IncomingMessage, response) => {
    answer({ backlog, bucket, repository }, request, new URL(request.url ?? '/', url))
      .catch((error: unknown): Reply => {
        backlog.refusals.push(`500 ${request.method} ${request.url}: ${error}`)
        return { status: 500 }
      })
      .then((reply) => send(response, reply))
  })
  return {
    url,
    runnerToken: backlog.runnerToken,
    bucket,
    refusals: backlog.refusals,
    queue(spec) {
      const job = new Job(backlog.jobs.length + 1, spec)
      backlog.jobs.push(job)
      return job
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

interface Parts {
  readonly backlog: Backlog
  readonly bucket: Bucket
  readonly repository: Repository
}

const GIT = '/root/project.git/'

async function answer(
  { backlog, bucket, repository }: Parts,
  request: IncomingMessage,
  url: URL,
): Promise<Reply> {
  if (url.pathname.startsWith('/api/v4/')) return runnerApi(backlog, request, url)
  if (url.pathname.startsWith(`/${bucket.name}/`)) return s3(bucket, request, url)
  if (url.pathname.startsWith(GIT)) return repository.serve(url.pathname.slice(GIT.length))
  return { status: 404 }
}
