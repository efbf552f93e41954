export { Foundry, type FoundryOptions } from './foundry.ts'
export type { TemplateLimits } from './plan.ts'
export type { WantedTemplates } from './view.ts'
