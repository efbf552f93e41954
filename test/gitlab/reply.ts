import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** What a route answers. */
export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string | object
}

const BODY_BYTES_MAX = 256 * 1024 * 1024

export function send(response: ServerResponse, { status, headers = {}, body = '' }: Reply): void {
  const raw = typeof body === 'string' || Buffer.isBuffer(body)
  response.writeHead(status, raw ? headers : { 'content-type': 'application/json', ...headers })
  response.end(raw ? body : JSON.stringify(body))
}

/** The whole body; throws when it is larger than anything a test sends. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) throw new Error('body too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

export function sameToken(given: unknown, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return typeof given === 'string' && timingSafeEqual(digest(given), digest(wanted))
}
