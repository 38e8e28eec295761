import { type ErrorFields, readErrorFields, writeErrorFields } from './error-fields.ts'
import { encodeTagged } from './frame.ts'
import type { Reader } from './reader.ts'
import { backendTag } from './tags.ts'

/*
 * What a server says at any time: errors, notices and notifications.
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-ASYNC
 */

/** `E` */
export interface ErrorResponse {
  readonly type: 'ErrorResponse'
  readonly fields: ErrorFields
}

/** `Byte1 field type, String value` each, until a zero byte */
export function decodeErrorResponse(reader: Reader): ErrorResponse {
  return { type: 'ErrorResponse', fields: readErrorFields(reader) }
}

export function encodeErrorResponse({ fields }: ErrorResponse): Uint8Array {
  return encodeTagged(backendTag.ErrorResponse, (writer) => writeErrorFields(writer, fields))
}

/** `N` */
export interface NoticeResponse {
  readonly type: 'NoticeResponse'
  readonly fields: ErrorFields
}

/** `Byte1 field type, String value` each, until a zero byte */
export function decodeNoticeResponse(reader: Reader): NoticeResponse {
  return { type: 'NoticeResponse', fields: readErrorFields(reader) }
}

export function encodeNoticeResponse({ fields }: NoticeResponse): Uint8Array {
  return encodeTagged(backendTag.NoticeResponse, (writer) => writeErrorFields(writer, fields))
}

/** `A` */
export interface NotificationResponse {
  readonly type: 'NotificationResponse'
  readonly processId: number
  readonly channel: string
  readonly payload: string
}

/** `Int32 processId, String channel, String payload` */
export function decodeNotificationResponse(reader: Reader): NotificationResponse {
  const processId = reader.int32('process ID')
  const channel = reader.cstring('channel')
  const payload = reader.cstring('payload')
  reader.finish()
  return { type: 'NotificationResponse', processId, channel, payload }
}

export function encodeNotificationResponse({ processId, channel, payload }: NotificationResponse): Uint8Array {
  return encodeTagged(backendTag.NotificationResponse, (writer) =>
    writer.int32(processId).cstring(channel, 'the channel').cstring(payload, 'the payload'),
  )
}
