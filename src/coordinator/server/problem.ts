/** What a caller is told when a request is refused: always the API's `problem`, whoever refused it. */
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import type { Problem } from '../../api/index.ts'
import { errorTable, type Failure, failureNext, failureText, SlipwayError } from '../../model/index.ts'

const DETAIL_CHARS_MAX = 500

/** `bodyBytesMax` is named when the body was larger. A bug has no failure: `undefined`. */
export function failureOf(
  error: unknown,
  { bodyBytesMax }: { readonly bodyBytesMax: number },
): Failure | undefined {
  if (error instanceof SlipwayError) return error.failure
  if (hasZodFastifySchemaValidationErrors(error)) {
    const detail = error.validation
      .map(({ instancePath, message }) => `${where(error.validationContext, instancePath)}: ${message}`)
      .join('; ')
    return badRequest(detail)
  }
  const { code, statusCode, message } = parts(error)
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return { code: 'too_large', args: { what: 'the request body', limitBytes: bodyBytesMax } }
  }
  const refused = statusCode !== undefined && statusCode >= 400 && statusCode < 500
  return refused ? badRequest(message) : undefined
}

export const problemOf = ({ code, args }: Failure): Problem => ({
  code,
  args,
  message: failureText({ code, args }),
  next: failureNext({ code, args }),
})

export const statusOf = ({ code }: Failure): number => errorTable[code].status

export const badRequest = (detail: string): Failure => ({
  code: 'bad_request',
  args: { detail: detail.slice(0, DETAIL_CHARS_MAX) },
})

/** `body.flavor`, `query`. */
const where = (context: string | undefined, path: string): string =>
  `${context === 'querystring' ? 'query' : (context ?? 'request')}${path === '/' ? '' : path.replaceAll('/', '.')}`

function parts(error: unknown): { code?: unknown; statusCode?: number; message: string } {
  if (!(error instanceof Error)) return { message: String(error) }
  return {
    message: error.message,
    ...('code' in error ? { code: error.code } : {}),
    ...('statusCode' in error && typeof error.statusCode === 'number'
      ? { statusCode: error.statusCode }
      : {}),
  }
}
