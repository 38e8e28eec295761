import { WalwireError } from '../messages/errors.ts'
import type { ResolvedHost, TargetSessionAttrs } from './connection-options.ts'

/** A target for one pass over the hosts. */
export type Target = Exclude<TargetSessionAttrs, 'prefer-standby'>

/** What is looked for in turn: a preference is a first pass over all hosts, and a second that takes any. */
export function passesOf(attrs: TargetSessionAttrs): readonly Target[] {
  return attrs === 'prefer-standby' ? ['standby', 'any'] : [attrs]
}

/**
 * Whether a session is one that is meant, by the parameters that the server reports without being asked, from 14 on.
 *
 * @returns why not; undefined when it is
 * @see PG18: src/interfaces/libpq/fe-connect.c CONNECTION_CHECK_TARGET
 */
export function misses(target: Target, parameters: ReadonlyMap<string, string>): string | undefined {
  if (target === 'any') return undefined
  const standby = parameters.get('in_hot_standby')
  if (standby === undefined) return 'it does not say whether it is a standby'
  const isStandby = standby === 'on'
  switch (target) {
    case 'primary':
      return isStandby ? 'it is a standby' : undefined
    case 'standby':
      return isStandby ? undefined : 'it is no standby'
    case 'read-write':
      if (isStandby) return 'it is a standby'
      return isReadOnly(parameters) ? 'its sessions are read-only (default_transaction_read_only)' : undefined
    case 'read-only':
      return isStandby || isReadOnly(parameters) ? undefined : 'it can be written to'
    default:
      return target satisfies never
  }
}

function isReadOnly(parameters: ReadonlyMap<string, string>): boolean {
  return parameters.get('default_transaction_read_only') === 'on'
}

/** @throws {WalwireError} `target_not_met` */
export function checkTarget(host: ResolvedHost, target: Target, parameters: ReadonlyMap<string, string>): void {
  const why = misses(target, parameters)
  if (why === undefined) return
  throw new WalwireError('target_not_met', {
    what: `the server at ${host.description} is not the one that is meant`,
    why: `${why}, and target_session_attrs is ${target}`,
    hint: 'name all servers as hosts; while a failover is under way none may be it for a moment',
  })
}
