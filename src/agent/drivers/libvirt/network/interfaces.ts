import { readdir } from 'node:fs/promises'
import { run, tryRun } from '../command.ts'

/** Names of the network namespaces that `ip netns` made on this host, by whoever. */
export async function namespaceNames(): Promise<readonly string[]> {
  try {
    return await readdir('/run/netns')
  } catch {
    return []
  }
}

/** Names of the interfaces in the agent's own namespace. */
export async function interfaceNames(): Promise<readonly string[]> {
  return parse(await run('ip', ['-j', 'link', 'show'], { object: 'interfaces' }))
}

/** Names of the interfaces in `namespace`; none if there is no such namespace. */
export async function interfaceNamesIn(namespace: string): Promise<readonly string[]> {
  const { exitCode, stdout } = await tryRun('ip', ['-n', namespace, '-j', 'link', 'show'], {
    object: namespace,
  })
  return exitCode === 0 ? parse(stdout) : []
}

function parse(json: string): readonly string[] {
  const links: unknown = JSON.parse(json)
  return Array.isArray(links) ? links.map((link: { readonly ifname?: unknown }) => String(link.ifname)) : []
}
