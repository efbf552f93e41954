/** The endpoints a runner uses, with the headers and codes it acts on (its `network/` folder is the source). */
import type { IncomingMessage } from 'node:http'
import { crc32 } from 'node:zlib'
import type { Job, JobEnd } from './job.ts'
import { jobResponse, type Project } from './job-response.ts'
import { type Reply, readBody, sameToken } from './reply.ts'

export interface Backlog {
  readonly runnerToken: string
  readonly project: Project
  readonly jobs: Job[]
  /** Requests refused for their token, or that did not fit what is expected. */
  readonly refusals: string[]
}

/** Seconds between two trace patches, so that a cancel is noticed soon. */
const TRACE_INTERVAL_S = 1

/** Answers `/api/v4/…`; undefined when there is no such endpoint. */
export async function runnerApi(backlog: Backlog, request: IncomingMessage, url: URL): Promise<Reply> {
  const route = `${request.method} ${url.pathname.replace(/\/\d+/, '/:id')}`
  if (route === 'POST /api/v4/runners/verify') return verify(backlog, await readJson(request))
  if (route === 'POST /api/v4/jobs/request') return requestJob(backlog, await readJson(request))
  const id = Number(/\/(\d+)/.exec(url.pathname.slice('/api/v4'.length))?.[1])
  const job = backlog.jobs.find((each) => each.id === id)
  if (job === undefined) return refuse(backlog, 404, route)
  if (route === 'PUT /api/v4/jobs/:id') return updateJob(backlog, job, await readJson(request))
  if (!sameToken(request.headers['job-token'], job.token)) return refuse(backlog, 403, route)
  switch (route) {
    case 'PATCH /api/v4/jobs/:id/trace':
      return patchTrace(backlog, job, request)
    case 'POST /api/v4/jobs/:id/artifacts':
      return uploadArtifacts(job, request)
    case 'GET /api/v4/jobs/:id/artifacts':
      return job.artifacts === undefined ? { status: 404 } : { status: 200, body: job.artifacts }
    default:
      return refuse(backlog, 404, route)
  }
}

function verify({ runnerToken, ...backlog }: Backlog, body: Json): Reply {
  if (!sameToken(body.token, runnerToken)) return refuse(backlog, 403, 'verify')
  return { status: 200, body: { id: 1, token: runnerToken, token_expires_at: null } }
}

function requestJob(backlog: Backlog, body: Json): Reply {
  if (!sameToken(body.token, backlog.runnerToken)) return refuse(backlog, 403, 'request')
  const job = backlog.jobs.find((each) => each.state === 'pending')
  if (job === undefined) return { status: 204 }
  job.state = 'running'
  return { status: 201, body: jobResponse(job, backlog.project) }
}

async function patchTrace(backlog: Backlog, job: Job, request: IncomingMessage): Promise<Reply> {
  const start = Number(/^(\d+)-\d+$/.exec(request.headers['content-range'] ?? '')?.[1])
  const chunk = await readBody(request)
  if (start !== job.trace.length) {
    return { ...refuse(backlog, 416, 'trace'), headers: { Range: `0-${job.trace.length}` } }
  }
  job.append(chunk)
  return { status: 202, headers: { ...jobStatus(job), Range: `0-${job.trace.length}` } }
}

/** Also the runner's keep-alive, with state `running`. A log that differs from what the runner sent is refused. */
function updateJob(backlog: Backlog, job: Job, body: Json): Reply {
  if (!sameToken(body.token, job.token)) return refuse(backlog, 403, 'update')
  const { state, failure_reason: failureReason, exit_code: exitCode, output } = body
  if (state !== 'success' && state !== 'failed') return { status: 200, headers: jobStatus(job) }
  const checksum = (output as { checksum?: string } | undefined)?.checksum
  const expected = `crc32:${crc32(job.trace).toString(16).padStart(8, '0')}`
  if (checksum !== undefined && checksum !== expected) return refuse(backlog, 412, 'checksum')
  const end: JobEnd = {
    state,
    ...(typeof failureReason === 'string' ? { failureReason } : {}),
    ...(typeof exitCode === 'number' ? { exitCode } : {}),
  }
  job.finish(end)
  return { status: 200, headers: jobStatus(job) }
}

async function uploadArtifacts(job: Job, request: IncomingMessage): Promise<Reply> {
  const headers = { 'content-type': request.headers['content-type'] ?? '' }
  const form = await new Response(new Uint8Array(await readBody(request)), { headers }).formData()
  const file = form.get('file')
  if (!(file instanceof File)) return { status: 400 }
  job.artifacts = Buffer.from(await file.arrayBuffer())
  return { status: 201, body: { message: 'Created' } }
}

const jobStatus = (job: Job) => ({
  'Job-Status': job.state,
  'X-GitLab-Trace-Update-Interval': String(TRACE_INTERVAL_S),
})

type Json = Readonly<Record<string, unknown>>

async function readJson(request: IncomingMessage): Promise<Json> {
  return JSON.parse((await readBody(request)).toString())
}

function refuse(backlog: Pick<Backlog, 'refusals'>, status: number, what: string): Reply {
  backlog.refusals.push(`${status} ${what}`)
  return { status, body: { message: `${status} ${what}` } }
}
