/** Users, sockets, uids. */
import { RUNNER_GROUP, USER } from '../up/users.ts'
import { type Check, fail, ok, unless, warn } from './check.ts'

const UP = 'run slipway up as root once: it makes and repairs them'

/** A socket as `slipway up` makes it; one that is not there is no fault, nothing runs. */
const socket = (name: string, mode: string, group: string, why: string): Check => ({
  name,
  why,
  remedy: UP,
  async look(host) {
    const seen = await host.stat(`${host.configuration.run}/${name}`)
    if (seen === undefined) return ok(`${host.configuration.run}/${name} is not there: nothing runs`)
    const evidence = `${host.configuration.run}/${name} ${seen.owner}:${seen.group} ${seen.mode}, wanted ${USER}:${group} ${mode}`
    return unless(seen.mode === mode && seen.group === group && seen.owner === USER, 'fail', evidence)
  },
})

export const accounts: readonly Check[] = [
  {
    name: 'root',
    why: 'the agent makes namespaces and starts libvirtd; checks see less without root',
    remedy: 'run slipway doctor as root',
    look: async ({ root }) => (root ? ok('running as root') : warn(`running as uid ${process.getuid?.()}`)),
  },
  {
    name: 'accounts',
    why: 'the coordinator runs as a user of its own; groups decide who may open which socket',
    remedy: UP,
    async look(host) {
      const [passwd = '', group = ''] = await Promise.all([host.read('/etc/passwd'), host.read('/etc/group')])
      const missing = [
        ...(new RegExp(`^${USER}:`, 'm').test(passwd) ? [] : [`user ${USER}`]),
        ...[USER, RUNNER_GROUP]
          .filter((name) => !new RegExp(`^${name}:`, 'm').test(group))
          .map((name) => `group ${name}`),
      ]
      if (missing.length > 0) return warn(`not yet made: ${missing.join(', ')}`)
      const members = new RegExp(`^${RUNNER_GROUP}:[^:]*:[^:]*:(.*)$`, 'm').exec(group)?.[1] ?? ''
      return unless(
        members.split(',').includes(USER),
        'fail',
        `members of ${RUNNER_GROUP}: ${members || 'none'}`,
      )
    },
  },
  socket('admin.sock', '660', USER, 'who may open it may do everything'),
  socket('lease.sock', '660', RUNNER_GROUP, 'runners ask for machines here, each with its token'),
  socket('agent.sock', '600', USER, 'only root’s agent may say what this host has'),
  {
    name: 'uid range',
    why: 'each machine runs under a uid of its own; one that is also somebody else’s would share his files',
    remedy: 'change uid_base in agent.toml, or free the range in /etc/passwd, /etc/subuid and /etc/subgid',
    async look(host) {
      const { first, last } = host.configuration.uids
      const [passwd = '', ...maps] = await Promise.all(
        ['/etc/passwd', '/etc/subuid', '/etc/subgid'].map((path) => host.read(path)),
      )
      const people = passwd.split('\n').filter((line) => inside(Number(line.split(':')[2]), first, last))
      const ranges = maps.flatMap((map = '') => map.split('\n')).filter((line) => overlaps(line, first, last))
      const taken = [...people.map((line) => line.split(':')[0]), ...ranges]
      return taken.length === 0
        ? ok(`${first}–${last} is nobody else’s`)
        : fail(`${first}–${last} overlaps with ${taken.join(', ')}`)
    },
  },
]

const inside = (uid: number, first: number, last: number): boolean => uid >= first && uid <= last

/** subuid(5): `name:start:count`. */
function overlaps(line: string, first: number, last: number): boolean {
  const [, start, count] = line.split(':').map(Number)
  if (!start || !count) return false
  return start <= last && start + count - 1 >= first
}
