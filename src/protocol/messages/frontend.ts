import { unknownTag } from './backend.ts'
import {
  type CopyData,
  type CopyDone,
  type CopyFail,
  decodeCopyData,
  decodeCopyDone,
  decodeCopyFail,
  encodeCopyData,
  encodeCopyDone,
  encodeCopyFail,
} from './copy-messages.ts'
import { ProtocolError } from './errors.ts'
import {
  type AuthenticationResponse,
  decodeGSSResponse,
  decodePasswordMessage,
  decodeSASLInitialResponse,
  decodeSASLResponse,
  encodeGSSResponse,
  encodePasswordMessage,
  encodeSASLInitialResponse,
  encodeSASLResponse,
} from './password-messages.ts'
import {
  type Bind,
  type Close,
  type Describe,
  decodeBind,
  decodeClose,
  decodeDescribe,
  decodeExecute,
  decodeFlush,
  decodeFunctionCall,
  decodeParse,
  decodeQuery,
  decodeSync,
  decodeTerminate,
  type Execute,
  encodeBind,
  encodeClose,
  encodeDescribe,
  encodeExecute,
  encodeFlush,
  encodeFunctionCall,
  encodeParse,
  encodeQuery,
  encodeSync,
  encodeTerminate,
  type Flush,
  type FunctionCall,
  type Parse,
  type Query,
  type Sync,
  type Terminate,
} from './query-messages.ts'
import { Reader } from './reader.ts'
import { frontendTag } from './tags.ts'

/** Whatever a client sends under a tag, told apart by `type`, the documentation's name. */
export type FrontendMessage =
  | AuthenticationResponse
  | Bind
  | Close
  | CopyData
  | CopyDone
  | CopyFail
  | Describe
  | Execute
  | Flush
  | FunctionCall
  | Parse
  | Query
  | Sync
  | Terminate

/**
 * Reads one message of a client that has begun; what it begins with is {@link decodeUntagged}'s. What it gives shares no
 * memory with the bytes.
 *
 * @param tag the message's tag byte
 * @param bytes the array that holds the body from `start` to `end`, as a {@link Framer} shows it
 * @param password which message the tag `p` stands for, as {@link responseTo} says of what the server asked for last
 * @throws {ProtocolError} when the tag is not known here, is `p` without being expected, or the body does not serve
 */
export function decodeFrontend(
  tag: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  password?: AuthenticationResponse['type'],
): FrontendMessage {
  const body = (name: string) => new Reader(bytes, start, end, name)
  switch (tag) {
    case frontendTag.Bind:
      return decodeBind(body('Bind'))
    case frontendTag.Close:
      return decodeClose(body('Close'))
    case frontendTag.CopyData:
      return decodeCopyData(body('CopyData'))
    case frontendTag.CopyDone:
      return decodeCopyDone(body('CopyDone'))
    case frontendTag.CopyFail:
      return decodeCopyFail(body('CopyFail'))
    case frontendTag.Describe:
      return decodeDescribe(body('Describe'))
    case frontendTag.Execute:
      return decodeExecute(body('Execute'))
    case frontendTag.Flush:
      return decodeFlush(body('Flush'))
    case frontendTag.FunctionCall:
      return decodeFunctionCall(body('FunctionCall'))
    case frontendTag.Parse:
      return decodeParse(body('Parse'))
    case frontendTag.Password:
      return decodePassword(password, body)
    case frontendTag.Query:
      return decodeQuery(body('Query'))
    case frontendTag.Sync:
      return decodeSync(body('Sync'))
    case frontendTag.Terminate:
      return decodeTerminate(body('Terminate'))
    default:
      throw unknownTag(tag)
  }
}

/**
 * Writes one message of a client, whole: the inverse of {@link decodeFrontend}. For replay, captures and tests: what
 * walwire itself sends is serialised by `pg-protocol`, and a test holds the two to the same bytes.
 *
 * @throws {WalwireError} `bad_option` for what cannot be sent, such as a zero byte in a string
 */
export function encodeFrontend(message: FrontendMessage): Uint8Array {
  switch (message.type) {
    case 'Bind':
      return encodeBind(message)
    case 'Close':
      return encodeClose(message)
    case 'CopyData':
      return encodeCopyData(message)
    case 'CopyDone':
      return encodeCopyDone(message)
    case 'CopyFail':
      return encodeCopyFail(message)
    case 'Describe':
      return encodeDescribe(message)
    case 'Execute':
      return encodeExecute(message)
    case 'Flush':
      return encodeFlush(message)
    case 'FunctionCall':
      return encodeFunctionCall(message)
    case 'GSSResponse':
      return encodeGSSResponse(message)
    case 'Parse':
      return encodeParse(message)
    case 'PasswordMessage':
      return encodePasswordMessage(message)
    case 'Query':
      return encodeQuery(message)
    case 'SASLInitialResponse':
      return encodeSASLInitialResponse(message)
    case 'SASLResponse':
      return encodeSASLResponse(message)
    case 'Sync':
      return encodeSync(message)
    case 'Terminate':
      return encodeTerminate(message)
    default:
      return message satisfies never
  }
}

function decodePassword(
  type: AuthenticationResponse['type'] | undefined,
  body: (name: string) => Reader,
): AuthenticationResponse {
  switch (type) {
    case 'GSSResponse':
      return decodeGSSResponse(body(type))
    case 'PasswordMessage':
      return decodePasswordMessage(body(type))
    case 'SASLInitialResponse':
      return decodeSASLInitialResponse(body(type))
    case 'SASLResponse':
      return decodeSASLResponse(body(type))
    case undefined:
      throw new ProtocolError(
        'a message could not be read',
        'its type p is an answer to the server, which asked for none',
        0,
        'p',
      )
    default:
      return type satisfies never
  }
}
