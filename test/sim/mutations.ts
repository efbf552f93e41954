import type { Mutation } from './plant.ts'

export const mutations: readonly Mutation[] = []
