/**
 * One table of every expected failure. The code is stable: callers branch on it, people search for it.
 * `text` says what happened to which object, `next` what to do. A failure without a row here is a bug.
 */

/** Whose failure it is: decides exit codes and what a CI job is told. */
export type Blame = 'caller' | 'system' | 'job'

interface Row {
  readonly blame: Blame
  readonly status: number
  readonly text: string
  readonly next: string
}

const row = (blame: Blame, status: number, text: string, next: string): Row => ({ blame, status, text, next })

/** `{name}` in a text is replaced by the error's argument of that name. */
export const errorTable = {
  bad_id: row('caller', 400, '"{text}" is not a well-formed {kind}', 'use the id as `slipway ls` prints it'),
  bad_request: row(
    'caller',
    400,
    'the request is not understood: {detail}',
    'correct the request; see `slipway --help`',
  ),
  bad_config: row(
    'caller',
    400,
    'configuration {file} is refused: {detail}',
    'correct the named key; unknown keys are errors',
  ),
  too_large: row('caller', 413, '{what} is larger than the limit of {limitBytes} bytes', 'send less'),
  unauthorized: row(
    'caller',
    401,
    'no valid token was given for this socket',
    'make one with `slipway token create`',
  ),
  forbidden: row('caller', 403, '{what} belongs to another owner', 'use the token it was made with'),
  not_found: row('caller', 404, 'there is no {kind} "{name}"', 'list them with `slipway ls`'),
  ambiguous: row(
    'caller',
    409,
    '"{name}" is the start of several names: {candidates}',
    'write more of the name',
  ),
  conflict: row(
    'caller',
    409,
    '{kind} "{name}" already exists and differs: {detail}',
    'release it first, or use another name',
  ),
  group_held: row(
    'caller',
    409,
    'group "{group}" is already managed by another plugin that lives',
    'stop that one, or give this one another plugin_config.name',
  ),
  plugin_call: row(
    'caller',
    400,
    'this is a plugin of GitLab Runner, and no runner it knows started it: {detail}',
    'name it as plugin = "fleeting-plugin-slipway" in [runners.autoscaler], and let the runner start it',
  ),
  unknown_flavor: row('caller', 404, 'there is no flavor "{flavor}"', 'known flavors: {known}'),
  unknown_image: row(
    'caller',
    404,
    'there is no image "{image}"',
    'build it with `slipway image build {image}`; known images: {known}',
  ),
  not_allowed: row('caller', 403, 'this token may not use {what}', 'ask the operator to allow it'),
  not_offered: row(
    'caller',
    403,
    '{kind} "{name}" is not offered to jobs here',
    'use one of: {known}; the operator offers more in custom-executor.toml',
  ),
  internal: row('system', 500, 'Slipway has a bug here', 'see the log of the coordinator, and report it'),
  shutting_down: row('system', 503, 'the coordinator is stopping', 'try again when it is back'),
  too_busy: row('system', 503, '{what} already holds its limit of {limit}', 'try again later'),
  unreachable: row('system', 503, 'nothing answers on {socket}', 'start Slipway with `slipway up`'),
  untrusted_socket: row(
    'system',
    403,
    'the agent does not trust the coordinator’s socket {socket}: {detail}',
    'see who made it; remove it, and the coordinator makes it anew when it starts',
  ),
  socket_refused: row(
    'caller',
    403,
    'you may not open {socket}',
    'run as root or as a member of group slipway, or set SLIPWAY_TOKEN as a member of slipway-runner',
  ),
  timed_out: row(
    'system',
    504,
    '{step} took longer than {deadlineMs} ms',
    'see `slipway explain` and `slipway doctor`',
  ),
  cancelled: row('caller', 499, '{what} was cancelled', 'nothing to do'),
  no_capacity: row(
    'system',
    503,
    'no host has room for flavor {flavor}: {detail}',
    'add a host, or wait for machines to end',
  ),
  growth_limited: row(
    'system',
    503,
    'flavor {flavor} makes no more machines at a time',
    'wait, or raise its max_growth_rate or scale_throttle',
  ),
  idle_only: row(
    'system',
    503,
    'flavor {flavor} serves jobs from idle machines alone, and none is left',
    'wait, raise its idle_count, or turn preemptive_mode off',
  ),
  no_host: row(
    'system',
    503,
    'no host is connected',
    'start an agent with `slipway up`; see `slipway doctor`',
  ),
  host_away: row(
    'system',
    503,
    'host "{host}" is not connected',
    'its agent dials in by itself; see `slipway doctor` on that host',
  ),
  not_granted: row(
    'caller',
    409,
    'lease "{lease}" holds no machine: it is {state}',
    'wait until it is granted, or ask again',
  ),
  lease_expired: row(
    'system',
    410,
    'lease {lease} was not kept alive',
    'the front must send heartbeats while its job runs',
  ),
  machine_lost: row(
    'system',
    410,
    'machine {machine} was lost by its host: {detail}',
    'run the job again; see `slipway explain`',
  ),
  machine_removed: row('system', 410, 'machine {machine} was removed by the operator', 'run the job again'),
  machine_stopped: row('job', 410, 'machine {machine} powered itself off', 'the job ended its own machine'),
  create_failed: row(
    'system',
    503,
    'machine {machine} could not be made: step {step}: {detail}',
    'see its console lines and `slipway doctor`',
  ),
  guest_silent: row(
    'system',
    504,
    'the guest of {machine} did not answer within {deadlineMs} ms',
    'see its console: does the image boot, with the guest kit in it?',
  ),
  guest_misbehaved: row(
    'system',
    502,
    'the guest of {machine} answered {what}',
    'the machine is destroyed; check the image',
  ),
  not_unique: row(
    'system',
    502,
    'machine {machine} showed a {what} that another machine has shown before',
    'it is destroyed and was given to nobody; rebuild the template of its flavor: `slipway template rebuild`',
  ),
  host_key_mismatch: row(
    'system',
    502,
    'the SSH server of {machine} showed another host key than its guest reported',
    'the machine is destroyed',
  ),
  ssh_failed: row('system', 502, 'SSH to {machine} failed: {detail}', 'see its console'),
  disk_full: row(
    'system',
    507,
    '{path} has {freeMiB} MiB free, {neededMiB} MiB are needed',
    'free some room',
  ),
  memory_short: row(
    'system',
    507,
    'the host has {freeMiB} MiB of memory left, {neededMiB} MiB are needed',
    'stop something, or use a smaller flavor',
  ),
  agent_running: row(
    'caller',
    409,
    'another agent (pid {pid}) already serves host "{host}" in {dir}',
    'stop it first: one agent per host',
  ),
  agent_misbehaved: row(
    'system',
    502,
    'the agent of host "{host}" answered {what}',
    'see whether agent and coordinator are of the same version',
  ),
  host_taken: row(
    'caller',
    409,
    'host "{host}" is already served by another connected agent',
    'stop that one, or give this agent another host name',
  ),
  coordinator_running: row(
    'caller',
    409,
    'another coordinator (pid {pid}) already uses {dir}',
    'stop it first: one coordinator per database',
  ),
  database_newer: row(
    'caller',
    409,
    'database {file} has schema {theirs}, this Slipway knows up to {ours}',
    'use the newer Slipway, or another state directory',
  ),
  database_failed: row(
    'system',
    500,
    'database {file} failed: {detail}',
    'see whether its disk is full or broken; nothing was changed',
  ),
  other_database: row(
    'caller',
    409,
    'host "{host}" belongs to database {theirs}, this is {ours}',
    'run `slipway adopt` on the host if that is intended',
  ),
  stale_stamp: row(
    'system',
    409,
    'an older wanted set was refused',
    'nothing to do: an older coordinator was replaced',
  ),
  hypervisor_down: row('system', 503, 'libvirt does not answer: {detail}', 'see {log}; `slipway doctor`'),
  hypervisor_refused: row(
    'system',
    502,
    'libvirt refused to {action} {object}: {detail}',
    'see `slipway doctor`',
  ),
  host_setup: row('system', 500, 'setting up {object} failed: {detail}', 'see `slipway doctor`'),
  not_root: row('caller', 403, '{what} needs root', 'run it as root'),
  missing_program: row('caller', 424, '{program} is not installed', 'install it: {remedy}'),
  image_refused: row(
    'caller',
    422,
    'image file {file} is refused: {detail}',
    'if you trust it, make one plain file of it: qemu-img convert -O qcow2 OLD NEW',
  ),
  digest_differs: row(
    'caller',
    422,
    'image file {file} has digest {found}, not {wanted}',
    'fetch it again, or correct the digest',
  ),
  image_in_use: row('caller', 409, 'image {image} is used by {count} machines', 'remove them first'),
  template_unclean: row(
    'system',
    500,
    'a machine of {image} was not frozen: there is {what} in its {where}',
    'take it out of the image, or of what starts in it',
  ),
  build_failed: row(
    'caller',
    500,
    'building image {image} failed in step {step}: {detail}',
    'see the lines above',
  ),
} as const satisfies Record<string, Row>

export type ErrorCode = keyof typeof errorTable
export type ErrorArgs = Readonly<Record<string, string | number>>

/** What crosses the API, the stream and the store: data, never a sentence. */
export interface Failure {
  readonly code: ErrorCode
  readonly args: ErrorArgs
}

/** An expected failure. `message` is made from the table; `cause` keeps what a developer needs. */
export class SlipwayError extends Error {
  override readonly name = 'SlipwayError'
  readonly code: ErrorCode
  readonly args: ErrorArgs

  constructor(code: ErrorCode, args: ErrorArgs = {}, options?: { readonly cause?: unknown }) {
    super(failureText({ code, args }), options)
    this.code = code
    this.args = args
  }

  get failure(): Failure {
    return { code: this.code, args: this.args }
  }
}

/** "there is no flavor "x"": the sentence of a failure. */
export const failureText = (failure: Failure): string => fill(errorTable[failure.code].text, failure.args)

/** What the person should do next. */
export const failureNext = (failure: Failure): string => fill(errorTable[failure.code].next, failure.args)

/** `error` as a failure: its own when it is ours, else `otherwise` with its text as `detail`. */
export function toFailure(error: unknown, otherwise: ErrorCode, args: ErrorArgs = {}): Failure {
  if (error instanceof SlipwayError) return error.failure
  const detail = error instanceof Error ? error.message : String(error)
  return { code: otherwise, args: { ...args, detail: detail.slice(0, DETAIL_CHARS_MAX) } }
}

const DETAIL_CHARS_MAX = 500

function fill(template: string, args: ErrorArgs): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => String(args[name] ?? '?'))
}
