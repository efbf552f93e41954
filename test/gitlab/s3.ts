/** One bucket, path style, with presigned URLs (AWS Signature Version 4, query form): the runner's distributed cache. */
import { createHash, createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type Reply, readBody, sameToken } from './reply.ts'

export interface Bucket {
  readonly name: string
  readonly accessKey: string
  readonly secretKey: string
  readonly objects: Map<string, Buffer>
}

/** Answers `/BUCKET/KEY`. */
export async function s3(bucket: Bucket, request: IncomingMessage, url: URL): Promise<Reply> {
  const key = decodeURIComponent(url.pathname.slice(bucket.name.length + 2))
  if (!signed(bucket, request, url)) return { status: 403, body: '<Error><Code>AccessDenied</Code></Error>' }
  if (request.method === 'PUT') {
    bucket.objects.set(key, await readBody(request))
    return { status: 200 }
  }
  const object = bucket.objects.get(key)
  if (object === undefined) return { status: 404, body: '<Error><Code>NoSuchKey</Code></Error>' }
  const headers = { 'content-length': String(object.length) }
  return request.method === 'HEAD' ? { status: 200, headers } : { status: 200, headers, body: object }
}

function signed(bucket: Bucket, request: IncomingMessage, url: URL): boolean {
  const query = url.searchParams
  const [accessKey, day = '', region = '', service = ''] = (query.get('X-Amz-Credential') ?? '').split('/')
  const names = (query.get('X-Amz-SignedHeaders') ?? '').split(';')
  const parameters = [...query]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .sort(([a], [b]) => (a < b ? -1 : 1))
  const canonical = [
    request.method,
    url.pathname,
    parameters.map((pair) => pair.map(strictEncode).join('=')).join('&'),
    ...names.map((name) => `${name}:${request.headers[name] ?? ''}`),
    '',
    names.join(';'),
    'UNSIGNED-PAYLOAD',
  ].join('\n')
  const scope = `${day}/${region}/${service}/aws4_request`
  const digest = createHash('sha256').update(canonical).digest('hex')
  const text = ['AWS4-HMAC-SHA256', query.get('X-Amz-Date'), scope, digest].join('\n')
  const signature = [day, region, service, 'aws4_request', text]
    .reduce<string | Buffer>(
      (key, part) => createHmac('sha256', key).update(part).digest(),
      `AWS4${bucket.secretKey}`,
    )
    .toString('hex')
  return sameToken(accessKey, bucket.accessKey) && sameToken(query.get('X-Amz-Signature'), signature)
}

const strictEncode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
