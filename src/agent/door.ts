import { Writable } from 'node:stream'
import { connectSsh } from '../guest/index.ts'
import { SlipwayError } from '../model/index.ts'
import type { Door } from './ports.ts'

/** The last check before a machine is ready: a login as a front will do it, and a command that ends well. */
export const sshDoor: Door = async (access, { machine, signal, deadlineMs }) => {
  using ssh = await connectSsh({ access, machine, signal, deadlineMs })
  const exit = await ssh.exec('true', { stdout: nowhere(), stderr: nowhere(), signal })
  if ('code' in exit && exit.code === 0) return
  const how = 'code' in exit ? `code ${exit.code}` : exit.signal
  throw new SlipwayError('ssh_failed', { machine, detail: `\`true\` ended with ${how}` })
}

const nowhere = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() })
