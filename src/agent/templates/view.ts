import type { WantedTemplate } from '../../model/index.ts'

/** What the coordinator wants, by its last set. Undefined: it has not told yet, and nothing is begun or given up. */
export type WantedTemplates = readonly WantedTemplate[] | undefined
