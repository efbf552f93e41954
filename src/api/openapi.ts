/**
 * The API's description in the OpenAPI format (3.1, https://spec.openapis.org/oas/v3.1.0), made of the endpoints and
 * their schemas: nothing is written twice. `generated/openapi.json` is what it gives, held to it by a test.
 */
import { z } from 'zod'
import { type EndpointName, endpointNames, endpoints } from './endpoints.ts'
import { leaseView, machineView, problem, schemas } from './schemas.ts'
import { access, failure, timeline } from './shapes.ts'

type Json = Readonly<Record<string, unknown>>

/** `version`: Slipway's. */
export function openApi(version: string): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const name of endpointNames) {
    const { method, path } = endpoints[name]
    const written = path.replace(/:(\w+)/g, '{$1}')
    paths[written] = { ...paths[written], [method.toLowerCase()]: operation(name) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Slipway',
      version,
      license: { name: 'Apache-2.0' },
      description:
        'Spoken on two unix sockets. admin.sock: all of it, to whoever may open the socket. lease.sock: what is tagged lease, with a token.',
    },
    tags: [
      { name: 'lease', description: 'for holders of a token, on either socket' },
      { name: 'admin', description: 'on the admin socket alone' },
    ],
    paths,
    components: {
      schemas: { ...bodies(), ...replies() },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  }
}

function operation(name: EndpointName): Json {
  const { method, path, scope } = endpoints[name]
  const { params, query } = schemas[name]
  const inPath = new Set([...path.matchAll(/:(\w+)/g)].map(([, word = '']) => word))
  const parameters = [
    ...parametersOf(params, 'path').filter(({ name }) => inPath.has(name)),
    ...parametersOf(query, 'query'),
  ]
  return {
    operationId: name,
    tags: [scope],
    ...(scope === 'lease' ? { security: [{ token: [] }, {}] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(method === 'POST' && !isEmpty(name)
      ? { requestBody: { required: true, ...json(bodyName(name)) } }
      : {}),
    responses: {
      200: { description: 'done', ...json(replyName(name)) },
      default: { description: 'refused', ...json('problem') },
    },
  }
}

interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query'
  readonly required: boolean
  readonly schema: unknown
}

function parametersOf(schema: z.ZodType, where: Parameter['in']): readonly Parameter[] {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return Object.entries(properties).map(([name, of]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    schema: of,
  }))
}

const refTo = (name: string): string => `#/components/schemas/${name}`
const json = (name: string): Json => ({ content: { 'application/json': { schema: { $ref: refTo(name) } } } })
const bodyName = (name: EndpointName): string => `${name}.body`
/** What several replies are or hold, under a name of its own. */
const NAMED: Readonly<Record<string, z.ZodType>> = {
  access,
  failure,
  lease: leaseView,
  machine: machineView,
  problem,
  timeline,
}
const nameOf = new Map(Object.entries(NAMED).map(([name, schema]) => [schema, name]))
const replyName = (name: EndpointName): string => nameOf.get(schemas[name].reply) ?? `${name}.reply`

function replies(): Json {
  const own = endpointNames.map((name) => [replyName(name), schemas[name].reply] as const)
  return components(new Map([...Object.entries(NAMED), ...own]), 'output')
}

function bodies(): Json {
  const posts = endpointNames.filter((name) => endpoints[name].method === 'POST' && !isEmpty(name))
  return components(new Map(posts.map((name) => [bodyName(name), schemas[name].body] as const)), 'input')
}

function components(named: ReadonlyMap<string, z.ZodType>, io: 'input' | 'output'): Json {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of named) registry.add(schema, { id })
  const found = z.toJSONSchema(registry, { io, unrepresentable: 'any', uri: refTo }).schemas
  return Object.fromEntries(
    Object.entries(found).map(([name, { $schema: _, $id: __, ...rest }]) => [name, rest]),
  )
}

/** A heartbeat says nothing but that it came. */
const isEmpty = (name: EndpointName): boolean => Object.keys(schemas[name].body.shape).length === 0
