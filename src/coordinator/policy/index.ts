/** How many machines are kept for jobs that have not come yet. Pure: time comes in as an argument. */
export { idleOf, type PolicyKeys, policyKeys, policyOf } from './config.ts'
export { type Moment, Policies, type Standing } from './policies.ts'
export { type Policy, rulesAt } from './policy.ts'
export { type Demand, fixedIdle, idleTarget, type Rules, surplus } from './rules.ts'
export { idleWords, mistakesOf } from './sense.ts'
