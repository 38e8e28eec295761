import {
  type AuthenticationMessage,
  decodeAuthentication,
  encodeAuthentication,
  isAuthentication,
} from './authentication-messages.ts'
import {
  type CopyData,
  type CopyDone,
  type CopyResponse,
  decodeCopyData,
  decodeCopyDone,
  decodeCopyResponse,
  encodeCopyData,
  encodeCopyDone,
  encodeCopyResponse,
} from './copy-messages.ts'
import { ProtocolError } from './errors.ts'
import {
  decodeErrorResponse,
  decodeNoticeResponse,
  decodeNotificationResponse,
  type ErrorResponse,
  encodeErrorResponse,
  encodeNoticeResponse,
  encodeNotificationResponse,
  type NoticeResponse,
  type NotificationResponse,
} from './notice-messages.ts'
import { Reader } from './reader.ts'
import {
  type CommandComplete,
  type DataRow,
  decodeCommandComplete,
  decodeDataRow,
  decodeEmptyResponse,
  decodeFunctionCallResponse,
  decodeParameterDescription,
  decodeRowDescription,
  type EmptyResponse,
  encodeCommandComplete,
  encodeDataRow,
  encodeEmptyResponse,
  encodeFunctionCallResponse,
  encodeParameterDescription,
  encodeRowDescription,
  type FunctionCallResponse,
  type ParameterDescription,
  type RowDescription,
} from './result-messages.ts'
import {
  type BackendKeyData,
  decodeBackendKeyData,
  decodeNegotiateProtocolVersion,
  decodeParameterStatus,
  decodeReadyForQuery,
  encodeBackendKeyData,
  encodeNegotiateProtocolVersion,
  encodeParameterStatus,
  encodeReadyForQuery,
  type NegotiateProtocolVersion,
  type ParameterStatus,
  type ReadyForQuery,
} from './session-messages.ts'
import { backendTag } from './tags.ts'

/** Whatever a server sends under a tag, told apart by `type`, the documentation's name. */
export type BackendMessage =
  | AuthenticationMessage
  | BackendKeyData
  | CommandComplete
  | CopyResponse
  | CopyData
  | CopyDone
  | DataRow
  | EmptyResponse
  | ErrorResponse
  | FunctionCallResponse
  | NegotiateProtocolVersion
  | NoticeResponse
  | NotificationResponse
  | ParameterDescription
  | ParameterStatus
  | ReadyForQuery
  | RowDescription

/**
 * Reads one message of a server. What it gives shares no memory with the bytes.
 *
 * @param tag the message's tag byte
 * @param bytes the array that holds the body from `start` to `end`, as a {@link Framer} shows it
 * @throws {ProtocolError} when the tag is not known here or the body does not serve
 */
export function decodeBackend(tag: number, bytes: Uint8Array, start: number, end: number): BackendMessage {
  const body = (name: string) => new Reader(bytes, start, end, name)
  switch (tag) {
    case backendTag.Authentication:
      return decodeAuthentication(body('Authentication'))
    case backendTag.BackendKeyData:
      return decodeBackendKeyData(body('BackendKeyData'))
    case backendTag.BindComplete:
      return decodeEmptyResponse('BindComplete', body('BindComplete'))
    case backendTag.CloseComplete:
      return decodeEmptyResponse('CloseComplete', body('CloseComplete'))
    case backendTag.CommandComplete:
      return decodeCommandComplete(body('CommandComplete'))
    case backendTag.CopyBothResponse:
      return decodeCopyResponse('CopyBothResponse', body('CopyBothResponse'))
    case backendTag.CopyData:
      return decodeCopyData(body('CopyData'))
    case backendTag.CopyDone:
      return decodeCopyDone(body('CopyDone'))
    case backendTag.CopyInResponse:
      return decodeCopyResponse('CopyInResponse', body('CopyInResponse'))
    case backendTag.CopyOutResponse:
      return decodeCopyResponse('CopyOutResponse', body('CopyOutResponse'))
    case backendTag.DataRow:
      return decodeDataRow(body('DataRow'))
    case backendTag.EmptyQueryResponse:
      return decodeEmptyResponse('EmptyQueryResponse', body('EmptyQueryResponse'))
    case backendTag.ErrorResponse:
      return decodeErrorResponse(body('ErrorResponse'))
    case backendTag.FunctionCallResponse:
      return decodeFunctionCallResponse(body('FunctionCallResponse'))
    case backendTag.NegotiateProtocolVersion:
      return decodeNegotiateProtocolVersion(body('NegotiateProtocolVersion'))
    case backendTag.NoData:
      return decodeEmptyResponse('NoData', body('NoData'))
    case backendTag.NoticeResponse:
      return decodeNoticeResponse(body('NoticeResponse'))
    case backendTag.NotificationResponse:
      return decodeNotificationResponse(body('NotificationResponse'))
    case backendTag.ParameterDescription:
      return decodeParameterDescription(body('ParameterDescription'))
    case backendTag.ParameterStatus:
      return decodeParameterStatus(body('ParameterStatus'))
    case backendTag.ParseComplete:
      return decodeEmptyResponse('ParseComplete', body('ParseComplete'))
    case backendTag.PortalSuspended:
      return decodeEmptyResponse('PortalSuspended', body('PortalSuspended'))
    case backendTag.ReadyForQuery:
      return decodeReadyForQuery(body('ReadyForQuery'))
    case backendTag.RowDescription:
      return decodeRowDescription(body('RowDescription'))
    default:
      throw unknownTag(tag)
  }
}

/**
 * Writes one message of a server, whole: the inverse of {@link decodeBackend}.
 *
 * @throws {WalwireError} `bad_option` for what cannot be sent, such as a zero byte in a string
 */
export function encodeBackend(message: BackendMessage): Uint8Array {
  if (isAuthentication(message)) return encodeAuthentication(message)
  switch (message.type) {
    case 'BackendKeyData':
      return encodeBackendKeyData(message)
    case 'BindComplete':
    case 'CloseComplete':
    case 'EmptyQueryResponse':
    case 'NoData':
    case 'ParseComplete':
    case 'PortalSuspended':
      return encodeEmptyResponse(message)
    case 'CommandComplete':
      return encodeCommandComplete(message)
    case 'CopyBothResponse':
    case 'CopyInResponse':
    case 'CopyOutResponse':
      return encodeCopyResponse(message)
    case 'CopyData':
      return encodeCopyData(message)
    case 'CopyDone':
      return encodeCopyDone(message)
    case 'DataRow':
      return encodeDataRow(message)
    case 'ErrorResponse':
      return encodeErrorResponse(message)
    case 'FunctionCallResponse':
      return encodeFunctionCallResponse(message)
    case 'NegotiateProtocolVersion':
      return encodeNegotiateProtocolVersion(message)
    case 'NoticeResponse':
      return encodeNoticeResponse(message)
    case 'NotificationResponse':
      return encodeNotificationResponse(message)
    case 'ParameterDescription':
      return encodeParameterDescription(message)
    case 'ParameterStatus':
      return encodeParameterStatus(message)
    case 'ReadyForQuery':
      return encodeReadyForQuery(message)
    case 'RowDescription':
      return encodeRowDescription(message)
    default:
      return message satisfies never
  }
}

/** A tag byte that walwire does not know where it stands. */
export function unknownTag(tag: number): ProtocolError {
  const character = tag > 0x20 && tag < 0x7f ? String.fromCharCode(tag) : `0x${tag.toString(16).padStart(2, '0')}`
  return new ProtocolError('a message could not be read', `its type ${character} is not expected here`, 0, character)
}
