/** How far a build is once a step is done, by the time that each takes where guests are slow to boot. */
const DONE_PERCENT: Readonly<Record<string, number>> = {
  started: 5,
  guest: 45,
  unique: 60,
  ssh: 65,
  programs: 72,
  forgotten: 75,
  warmed: 80,
  frozen: 85,
  stopped: 88,
  scanned: 97,
  published: 100,
}

/** 0 for a step that says nothing of it. */
export const percentDone = (step: string): number => DONE_PERCENT[step] ?? 0
