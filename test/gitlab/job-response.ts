/** What `POST /api/v4/jobs/request` answers: a job in the form runners have read since GitLab 9 (16.9 to 17.9 seen). */
import type { Job } from './job.ts'

export interface Project {
  /** Where the runner and its guests reach this GitLab. */
  readonly url: string
  readonly commit: string
  readonly branch: string
}

const DEFAULT_TIMEOUT_S = 3_600

export function jobResponse(job: Job, project: Project): object {
  const { spec } = job
  const timeout = spec.timeoutS ?? DEFAULT_TIMEOUT_S
  return {
    id: job.id,
    token: job.token,
    allow_git_fetch: true,
    job_info: {
      name: spec.name ?? 'job',
      stage: 'test',
      project_id: 1,
      project_name: 'project',
      time_in_queue_seconds: 0,
      project_jobs_running_on_instance_runners_count: '0',
    },
    git_info: gitInfo(job, project),
    runner_info: { timeout },
    variables: variables(job, project),
    steps: [
      step('script', [spec.script].flat(), 'on_success', timeout),
      ...(spec.afterScript ? [step('after_script', spec.afterScript, 'always', timeout)] : []),
    ],
    image: spec.image === undefined ? null : { name: spec.image },
    services: [],
    artifacts: spec.artifacts === undefined ? null : [artifact(spec.artifacts)],
    cache: spec.cache === undefined ? [] : [cache(spec.cache)],
    credentials: [],
    dependencies: (spec.dependencies ?? []).map(dependency),
    features: {
      trace_sections: true,
      failure_reasons: ['script_failure', 'runner_system_failure', 'job_execution_timeout', 'job_canceled'],
    },
  }
}

const step = (name: string, script: readonly string[], when: string, timeout: number) => ({
  name,
  script,
  timeout,
  when,
  allow_failure: name === 'after_script',
})

function gitInfo(job: Job, project: Project): object {
  return {
    repo_url: project.url.replace('://', `://gitlab-ci-token:${job.token}@`).concat('/root/project.git'),
    repo_object_format: 'sha1',
    ref: project.branch,
    sha: project.commit,
    before_sha: '0'.repeat(40),
    ref_type: 'branch',
    refspecs: [`+refs/heads/${project.branch}:refs/remotes/origin/${project.branch}`],
    // Everything: the dumb HTTP transport has no shallow clones.
    depth: 0,
  }
}

function variables(job: Job, project: Project): object[] {
  const open = (key: string, value: string) => ({ key, value, public: true, masked: false })
  return [
    open('CI', 'true'),
    open('GITLAB_CI', 'true'),
    open('CI_SERVER_URL', project.url),
    open('CI_PIPELINE_ID', '1'),
    open('CI_JOB_ID', String(job.id)),
    open('CI_JOB_NAME', job.spec.name ?? 'job'),
    { key: 'CI_JOB_TOKEN', value: job.token, public: false, masked: true },
    open('CI_PROJECT_ID', '1'),
    open('CI_PROJECT_NAME', 'project'),
    open('CI_PROJECT_PATH', 'root/project'),
    open('CI_PROJECT_URL', `${project.url}/root/project`),
    open('CI_COMMIT_SHA', project.commit),
    open('CI_COMMIT_REF_NAME', project.branch),
    ...Object.entries(job.spec.variables ?? {}).map(([key, value]) => open(key, value)),
  ]
}

const artifact = (spec: NonNullable<Job['spec']['artifacts']>) => ({
  name: 'artifacts',
  untracked: false,
  paths: spec.paths,
  when: spec.when ?? 'on_success',
  artifact_type: 'archive',
  artifact_format: 'zip',
})

const cache = (spec: NonNullable<Job['spec']['cache']>) => ({
  key: spec.key,
  untracked: false,
  policy: spec.policy ?? 'pull-push',
  paths: spec.paths,
  when: 'on_success',
})

const dependency = (job: Job) => ({
  id: job.id,
  token: job.token,
  name: job.spec.name ?? 'job',
  artifacts_file: { filename: 'artifacts.zip', size: job.artifacts?.length ?? 0 },
})
