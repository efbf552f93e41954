/** The four stages a GitLab Runner's custom executor calls, as a thin translation onto one lease. */
export { customExecutor, type StageCall, type StageName } from './custom-executor.ts'
