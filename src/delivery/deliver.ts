import { WalwireError } from '../protocol/messages/errors.ts'
import { formatLsn } from '../protocol/messages/lsn.ts'
import type { AnyTables } from '../replication/events.ts'
import type { FollowOptions } from '../replication/feed.ts'
import { follow } from '../replication/follow.ts'
import { checkFollowOptions } from '../replication/follow-options.ts'
import { type CommitPolicy, defaultCommitPolicy } from './commit-policy.ts'
import { Delivery, type DeliveryEnd } from './delivery.ts'
import type { DeliveredFeed, Destination } from './destination.ts'
import { defaultRetryPolicy, type RetryPolicy } from './retry-policy.ts'

/** What {@link deliver} takes: what a feed takes, and where it goes. */
export interface DeliverOptions<T extends object = AnyTables> extends Omit<FollowOptions, 'signal'> {
  readonly destination: Destination<T>
  /** Where the feed begins if the destination holds nothing yet. No function beside a checkpoint, which knows that itself. */
  readonly start?: FollowOptions['start']
  /** Aborting it ends the delivery in order: what is in hand is written, committed and acknowledged. */
  readonly signal?: AbortSignal | undefined
  readonly commit?: Partial<CommitPolicy> | undefined
  /** `false`: the first failure of the destination ends the delivery. */
  readonly retry?: Partial<RetryPolicy> | false | undefined
  /** How long the end waits for what is in hand. In ms, default 10,000. */
  readonly drainTimeoutMs?: number | undefined
}

/**
 * Follows a feed into a destination, each change once: the destination says where it stands, the feed goes on from
 * there, and the server may forget what the destination has made durable.
 *
 * A failure that the destination calls passing is tried again, for as long as `retry` says. Whatever the feed fails with
 * ends the delivery; called again, it goes on.
 *
 * ```ts
 * await deliver({
 *   publication: 'shop',
 *   slot: 'shop_feed',
 *   destination: fileDestination({ path: 'shop.jsonl', checkpoint: 'shop.checkpoint' }),
 * })
 * ```
 *
 * @typeParam T row types by table, as `follow` has them
 * @throws {WalwireError} `bad_option`; `drain_timeout`; whatever the feed throws. What the destination fails with is
 * thrown as it is.
 */
export function deliver<T extends object = AnyTables>(options: DeliverOptions<T>): Promise<DeliveryEnd>
export async function deliver(options: DeliverOptions): Promise<DeliveryEnd> {
  const { destination, signal, commit, retry, drainTimeoutMs = 10_000, ...followed } = options
  const settings = checkFollowOptions(followed)
  checkDestination(destination)
  const policy = withDefaults('commit', commit, defaultCommitPolicy)
  const tries = withDefaults('retry', retry === false ? { maxFailures: 1 } : retry, defaultRetryPolicy)
  checkLimit('drainTimeoutMs', drainTimeoutMs)
  const delivered = deliveredFeed(followed, signal ?? new AbortController().signal)
  return await new Delivery({
    destination,
    delivered,
    follow: (start) => follow({ ...followed, start: start ?? followed.start }),
    endsByItself: settings.stop !== undefined || settings.snapshot === 'only',
    canContinue: !settings.temporary,
    policy,
    retry: tries,
    drainTimeoutMs,
    logger: settings.logger,
  }).run()
}

/** What a destination is told of the feed. */
export function deliveredFeed(options: Omit<FollowOptions, 'signal'>, signal: AbortSignal): DeliveredFeed {
  const { publications, snapshot, start } = checkFollowOptions(options)
  return {
    publications,
    slot: options.slot,
    snapshot,
    start: typeof start === 'bigint' ? formatLsn(start) : typeof start === 'function' ? undefined : start,
    startIsAsked: typeof start === 'function',
    signal,
  }
}

function checkDestination(destination: Destination): void {
  const methods = ['open', 'write', 'commit', 'close'] as const
  const missing = methods.find((name) => typeof destination?.[name] !== 'function')
  if (missing === undefined) return
  throw new WalwireError('bad_option', {
    what: "the option 'destination' cannot be used",
    why: `it has no method ${missing}`,
    hint: `give an object with the methods ${methods.join(', ')}, such as fileDestination makes one`,
  })
}

function withDefaults<Policy extends object>(
  option: string,
  given: Partial<Policy> | undefined,
  defaults: Policy,
): Policy {
  const policy = { ...defaults, ...given }
  for (const [name, value] of Object.entries(policy)) {
    if (!Object.hasOwn(defaults, name)) {
      throw new WalwireError('bad_option', {
        what: `the option '${option}.${name}' cannot be used`,
        why: 'there is no such option',
        hint: `use ${Object.keys(defaults).join(', ')}`,
      })
    }
    checkLimit(`${option}.${name}`, value)
  }
  return policy
}

function checkLimit(name: string, value: number): void {
  if (value >= 0) return
  throw new WalwireError('bad_option', {
    what: `the option '${name}' cannot be used`,
    why: `it is ${value}`,
    hint: 'give a number, 0 or more',
  })
}
