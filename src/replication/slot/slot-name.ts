import { WalwireError } from '../../protocol/messages/errors.ts'

/**
 * Whether a slot may be called so: lower-case letters, digits and underscores, up to 63 bytes.
 *
 * @see PG18: slot.c ReplicationSlotValidateName
 */
export function isSlotName(name: string): boolean {
  return /^[a-z0-9_]{1,63}$/.test(name)
}

/**
 * Checks a name against what the server accepts, so that a wrong one is not found out after the first batch.
 *
 * @throws {WalwireError} `bad_option`
 */
export function checkSlotName(name: string): void {
  if (isSlotName(name)) return
  throw new WalwireError('bad_option', {
    what: `the slot name ${JSON.stringify(name)} cannot be used`,
    why: name.length > 63 ? `it has ${name.length} characters` : 'it has other characters than a slot may have',
    hint: 'use 1 to 63 lower case letters, digits and underscores',
  })
}
