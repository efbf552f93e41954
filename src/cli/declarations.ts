/** Every command as help shows it; `load` brings its code. */
import type { Declaration } from './command.ts'

const JSON_OPTION = ['--json', 'print JSON for programs'] as const
const EVERYDAY = 'Machines:'
const GITLAB = 'GitLab:'
const LOOK = 'Finding out:'
const HOST = 'This host:'

/** What a group of commands is about. */
export const GROUPS: Readonly<Record<string, string>> = {
  image: 'build, import, list and remove images',
  token: 'make, list and revoke tokens of runners',
  'custom-executor': 'the four stages that gitlab-runner calls',
}

export const EPILOGUE = `
Examples:
  slipway run debian -- sh -c 'uname -a; exit 7'
  slipway ls
  slipway doctor

Exit codes: 0 done, 1 failed, 2 wrong use, 3 no capacity, 4 not found, 5 nothing answers, 130 interrupted;
run, exec and ssh give the guest's own code, and 125 for a failure of Slipway.
`

export const declarations: readonly Declaration[] = [
  {
    name: 'run',
    arguments: '<flavor>',
    takesCommand: true,
    group: EVERYDAY,
    summary: 'run a command in a fresh machine, which is destroyed afterwards',
    options: [
      ['--image <name>', "another image than the flavor's own"],
      ['--timeout <time>', 'give up after this time, waiting included (90s, 2m, 1h)'],
      ['-q, --quiet', 'no progress, only what the command prints'],
      JSON_OPTION,
    ],
    examples: ["slipway run debian -- sh -c 'uname -a; exit 7'", 'tar c . | slipway run debian -- tar x'],
    load: () => import('./commands/run.ts'),
  },
  {
    name: 'ls',
    group: EVERYDAY,
    summary: 'list machines, leases and hosts',
    options: [['-a, --all', 'ended leases too'], ['-q, --quiet', 'machine names only'], JSON_OPTION],
    examples: ['slipway ls', 'slipway ls --json'],
    load: () => import('./commands/ls.ts'),
  },
  {
    name: 'exec',
    arguments: '<machine>',
    takesCommand: true,
    group: EVERYDAY,
    summary: 'run a command in a living machine',
    examples: ['slipway exec m-01j8 -- ps aux'],
    load: () => import('./commands/exec.ts'),
  },
  {
    name: 'ssh',
    arguments: '<machine>',
    takesCommand: true,
    group: EVERYDAY,
    summary: 'log into a living machine with OpenSSH, its host key pinned',
    examples: ['slipway ssh m-01j8', 'slipway ssh m-01j8 -- top'],
    load: () => import('./commands/ssh.ts'),
  },
  {
    name: 'console',
    arguments: '<machine>',
    group: EVERYDAY,
    summary: "join a machine's serial console; ~. on a new line leaves it",
    examples: ['slipway console m-01j8'],
    load: () => import('./commands/console.ts'),
  },
  {
    name: 'logs',
    arguments: '<machine>',
    group: EVERYDAY,
    summary: 'print the last lines a machine wrote to its console',
    options: [['-n, --lines <count>', 'how many lines (100)'], JSON_OPTION],
    examples: ['slipway logs m-01j8'],
    load: () => import('./commands/logs.ts'),
  },
  {
    name: 'inspect',
    arguments: '<name>',
    group: EVERYDAY,
    summary: 'print all there is to know of a machine, lease, host or flavor, as JSON',
    options: [JSON_OPTION],
    examples: ['slipway inspect m-01j8', 'slipway inspect debian'],
    load: () => import('./commands/inspect.ts'),
  },
  {
    name: 'rm',
    arguments: '<machine...>',
    group: EVERYDAY,
    summary: 'destroy machines, whatever runs in them',
    examples: ['slipway rm m-01j8'],
    load: () => import('./commands/rm.ts'),
  },
  {
    name: 'explain',
    arguments: '<lease>',
    group: LOOK,
    summary: 'say why a lease waits, or how its machine came to be, or why it ended',
    options: [JSON_OPTION],
    examples: ['slipway explain job-4711'],
    load: () => import('./commands/explain.ts'),
  },
  {
    name: 'image build',
    arguments: '<name>',
    group: HOST,
    summary: 'build an image from its recipe',
    options: [['-v, --verbose', 'everything the build prints'], JSON_OPTION],
    examples: ['slipway image build debian'],
    load: async () => (await import('./commands/image.ts')).imageBuild,
  },
  {
    name: 'image import',
    arguments: '<file>',
    group: HOST,
    summary: 'take in a qcow2 file, looked at in a sandbox before anything opens it',
    options: [
      ['--name <name>', "the image's name (the file's)"],
      ['--release <version>', 'which of that name: the highest is the newest (1)'],
      ['--digest <digest>', 'what the file must be, as sha256:…'],
      ['--user <name>', 'whom to log in as (root)'],
      ['--firmware <firmware>', 'bios or uefi (bios)'],
      ['--memory <MiB>', 'what a machine of it needs at least'],
      ['--timeout <time>', 'give up after this time; the next import goes on (by size)'],
      JSON_OPTION,
    ],
    examples: ['slipway image import build.qcow2 --name build --release 7 --digest sha256:…'],
    load: async () => (await import('./commands/image.ts')).imageImport,
  },
  {
    name: 'image ls',
    group: HOST,
    summary: 'list the images of this host',
    options: [JSON_OPTION],
    examples: ['slipway image ls'],
    load: async () => (await import('./commands/image.ts')).imageList,
  },
  {
    name: 'image inspect',
    arguments: '<image>',
    group: HOST,
    summary: 'print all there is to know of an image, as JSON',
    options: [JSON_OPTION],
    examples: ['slipway image inspect debian', 'slipway image inspect sha256:c057c5'],
    load: async () => (await import('./commands/image.ts')).imageInspect,
  },
  {
    name: 'image rm',
    arguments: '<image...>',
    group: HOST,
    summary: 'remove images that no machine runs from',
    options: [['--all', 'every image of that name']],
    examples: ['slipway image rm sha256:c057c5', 'slipway image rm debian --all'],
    load: async () => (await import('./commands/image-removal.ts')).imageRemove,
  },
  {
    name: 'image prune',
    group: HOST,
    summary: 'remove images that newer ones of their name have replaced',
    options: [
      ['--keep <count>', 'of each name, how many stay (1)'],
      ['--dry-run', 'only say which'],
      JSON_OPTION,
    ],
    examples: ['slipway image prune --keep 2 --dry-run'],
    load: async () => (await import('./commands/image-removal.ts')).imagePrune,
  },
  {
    name: 'token create',
    arguments: '<runner>',
    group: HOST,
    summary: 'make the token of a runner and print it, this once',
    options: [
      ['--trust-domain <name>', 'who may share what with whom (default)'],
      ['--flavor <name...>', 'flavors it may ask for (all)'],
      ['--image <name...>', "images it may choose, or * (none but the flavors' own)"],
      ['--leases-max <count>', 'leases it may hold at a time (100)'],
      JSON_OPTION,
    ],
    examples: ['slipway token create shop --flavor debian >/etc/gitlab-runner/slipway.token'],
    load: async () => (await import('./commands/token.ts')).tokenCreate,
  },
  {
    name: 'token ls',
    group: HOST,
    summary: 'list runners that have a token',
    options: [JSON_OPTION],
    examples: ['slipway token ls'],
    load: async () => (await import('./commands/token.ts')).tokenList,
  },
  {
    name: 'token revoke',
    arguments: '<runner...>',
    group: HOST,
    summary: 'end the tokens of runners',
    examples: ['slipway token revoke shop'],
    load: async () => (await import('./commands/token.ts')).tokenRevoke,
  },
  {
    name: 'doctor',
    group: LOOK,
    summary: 'check this host: what was seen, why it matters, what helps',
    options: [['--hardened', 'fail what a host for hostile jobs must not have'], JSON_OPTION],
    examples: ['slipway doctor', 'slipway doctor --hardened --json'],
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'up',
    group: HOST,
    summary: 'start all of Slipway on this host, in the foreground',
    options: [
      ['--while-stdin', 'stop when standard input ends and no lease is left'],
      ['--json', 'print the log and the ready line as JSON'],
    ],
    examples: ['slipway up'],
    load: () => import('./commands/up.ts'),
  },
  {
    name: 'coordinator',
    group: HOST,
    hidden: true,
    summary: 'run the coordinator alone, as a service does',
    options: [['--while-stdin', 'stop when standard input ends'], JSON_OPTION],
    examples: [],
    load: () => import('./commands/coordinator.ts'),
  },
  {
    name: 'agent',
    group: HOST,
    hidden: true,
    summary: 'run the agent alone, as a service does',
    options: [['--while-stdin', 'stop when standard input ends, leaving no machine'], JSON_OPTION],
    examples: [],
    load: () => import('./commands/agent.ts'),
  },
  {
    name: 'audit',
    group: LOOK,
    summary: 'compare everything of ours on this host with what should be there',
    options: [JSON_OPTION],
    examples: ['slipway audit'],
    load: () => import('./commands/audit.ts'),
  },
  {
    name: 'adopt',
    group: HOST,
    summary: 'let the next coordinator take this host over, whatever its database',
    examples: ['slipway adopt'],
    load: () => import('./commands/adopt.ts'),
  },
  {
    name: 'fleeting-plugin',
    arguments: '[verb] [repository]',
    group: GITLAB,
    hidden: true,
    summary: 'run the fleeting plugin, as fleeting-plugin-slipway does for gitlab-runner',
    examples: [],
    load: () => import('./commands/fleeting-plugin.ts'),
  },
  {
    name: 'custom-executor config',
    group: GITLAB,
    summary: 'tell gitlab-runner about this executor',
    examples: [],
    load: async () => (await import('./commands/custom-executor.ts')).configStage,
  },
  {
    name: 'custom-executor prepare',
    group: GITLAB,
    summary: "get the job's machine",
    examples: [],
    load: async () => (await import('./commands/custom-executor.ts')).prepareStage,
  },
  {
    name: 'custom-executor run',
    arguments: '<script> <stage>',
    group: GITLAB,
    summary: 'run a script of the job in its machine',
    examples: [],
    load: async () => (await import('./commands/custom-executor.ts')).runStage,
  },
  {
    name: 'custom-executor cleanup',
    group: GITLAB,
    summary: "give the job's machine back",
    examples: [],
    load: async () => (await import('./commands/custom-executor.ts')).cleanupStage,
  },
]
