/** OpenSSH into a machine: a terminal, port forwards and all it knows, with the one key its host may show. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Access, SlipwayError } from '../../model/index.ts'
import type { Call } from '../command.ts'
import { EXIT } from '../exit.ts'
import { toAccess } from '../guest-command.ts'
import { pickMachine } from '../pick.ts'
import { reach } from '../reach.ts'

export async function main(call: Call): Promise<number> {
  const { signal } = call.io
  const client = await reach(call)
  const { machine } = await pickMachine(client, call.args[0] ?? '', signal)
  const access = toAccess(await client.call('machineAccess', { params: { machine }, signal }))
  const { shellQuote } = await import('../../guest/index.ts')
  // Made 0700: nobody else looks into it.
  const folder = await mkdtemp(join(tmpdir(), 'slipway-ssh-'))
  try {
    await writeFile(join(folder, 'key'), access.privateKey.reveal(), { mode: 0o600 })
    await writeFile(join(folder, 'known'), `${machine} ${access.hostKey}\n`, { mode: 0o600 })
    return await openssh([...sshArgs(access, machine, folder), ...call.rest.map(shellQuote)], signal)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** ssh_config(5); the person's own configuration is left out, so that it can weaken nothing. */
export function sshArgs(access: Access, machine: string, folder: string): readonly string[] {
  const options = {
    IdentityFile: join(folder, 'key'),
    IdentitiesOnly: 'yes',
    PasswordAuthentication: 'no',
    UserKnownHostsFile: join(folder, 'known'),
    GlobalKnownHostsFile: '/dev/null',
    StrictHostKeyChecking: 'yes',
    HostKeyAlias: machine,
    LogLevel: 'ERROR',
  }
  const flags = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`])
  return ['-F', '/dev/null', ...flags, '-p', String(access.port), '-l', access.user, '--', access.address]
}

async function openssh(args: readonly string[], signal: AbortSignal): Promise<number> {
  const child = spawn('ssh', args, { stdio: 'inherit' })
  signal.addEventListener('abort', () => child.kill('SIGTERM'), { once: true })
  const [code] = await once(child, 'exit').catch((cause: unknown) => {
    throw new SlipwayError(
      'missing_program',
      { program: 'ssh', remedy: 'apt install openssh-client' },
      { cause },
    )
  })
  if (typeof code !== 'number') return EXIT.interrupted
  return code === SSH_OWN_FAILURE ? EXIT.ownFailure : code
}

/** ssh(1): 255 if an error occurred in ssh itself. */
const SSH_OWN_FAILURE = 255
