/** A small GitLab that a real gitlab-runner talks to, and that runner. */
export type { Job, JobEnd, JobSpec } from './job.ts'
export { type RunningRunner, runnerBinary, startRunner } from './runner.ts'
export { type GitLab, type GitLabOptions, startGitLab } from './server.ts'
