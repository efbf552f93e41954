/** The accounts Slipway's parts run under, made when they are missing. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { SlipwayError } from '../../model/index.ts'

/** Runs the coordinator; its group may open the admin socket. */
export const USER = 'slipway'
/** Its members (the runner's user) may open the lease socket. */
export const RUNNER_GROUP = 'slipway-runner'

const NOLOGIN = '/usr/sbin/nologin'

export interface Account {
  readonly uid: number
  readonly gid: number
}

/** Makes what is missing of users and groups, as root; each step is fine if it was done before. */
export async function ensureUsers(): Promise<Account> {
  if ((await groupMembers(USER)) === undefined) await tool('groupadd', ['--system', USER])
  if ((await groupMembers(RUNNER_GROUP)) === undefined) await tool('groupadd', ['--system', RUNNER_GROUP])
  if ((await findAccount()) === undefined) {
    const home = ['--home-dir', '/nonexistent', '--no-create-home', '--shell', NOLOGIN]
    await tool('useradd', ['--system', '--gid', USER, ...home, '--comment', 'Slipway coordinator', USER])
  }
  if (!(await groupMembers(RUNNER_GROUP))?.includes(USER)) await tool('usermod', ['-aG', RUNNER_GROUP, USER])
  const account = await findAccount()
  if (account === undefined) throw failed(`user ${USER}`, 'it is not in /etc/passwd after useradd')
  return account
}

/** The coordinator's account; undefined when there is none. */
async function findAccount(): Promise<Account | undefined> {
  const [, , uid, gid] = (await entry('/etc/passwd', USER)) ?? []
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) }
}

/** Names listed in a group; undefined when there is no such group. */
async function groupMembers(name: string): Promise<readonly string[] | undefined> {
  return (await entry('/etc/group', name))?.[3]?.split(',').filter((member) => member !== '')
}

/** passwd(5), group(5): the fields of one line. */
async function entry(file: string, name: string): Promise<readonly string[] | undefined> {
  const lines = (await readFile(file, 'utf8')).split('\n')
  return lines.find((line) => line.startsWith(`${name}:`))?.split(':')
}

/** Two calls may race to make the same account: the loser's complaint counts only if the account is missing after. */
async function tool(program: string, args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(program, [...args])
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'ENOENT')
      throw new SlipwayError('missing_program', { program, remedy: 'apt install passwd' }, { cause })
    if (code === ALREADY_THERE) return
    throw failed(`${program} ${args.at(-1)}`, cause instanceof Error ? cause.message : String(cause), cause)
  }
}

/** Exit code of groupadd(8) and useradd(8): name not unique. */
const ALREADY_THERE = 9

const failed = (object: string, detail: string, cause?: unknown): SlipwayError =>
  new SlipwayError('host_setup', { object, detail }, { cause })

/** Gives up root for the coordinator's account and its two groups, for good. */
export async function becomeCoordinator(): Promise<void> {
  const account = await findAccount()
  const runnerGid = (await entry('/etc/group', RUNNER_GROUP))?.[2]
  if (account === undefined || runnerGid === undefined) {
    throw failed(`user ${USER}`, `it or group ${RUNNER_GROUP} does not exist; slipway up makes them`)
  }
  process.setgroups?.([account.gid, Number(runnerGid)])
  process.setgid?.(account.gid)
  process.setuid?.(account.uid)
}
