import { isDeepStrictEqual } from 'node:util'
import { encodeBackend } from '../../src/protocol/messages/backend.ts'
import { Conversation, type ConversationMessage } from '../../src/protocol/messages/conversation.ts'
import { decodeFrontend, encodeFrontend, type FrontendMessage } from '../../src/protocol/messages/frontend.ts'
import {
  decodeUntagged,
  encodeEncryptionResponse,
  encodeUntaggedMessage,
  type UntaggedMessage,
} from '../../src/protocol/messages/startup-messages.ts'
import { type Frame, framesOf, growFrames, mutateFrames, streamOf } from '../frames.ts'
import { demand, type Target } from '../target.ts'

/** The tag says which of them `p` stands for, and is no client's otherwise. */
const passwords = new Map<number, Parameters<typeof decodeFrontend>[4]>([
  [0x31, 'GSSResponse'],
  [0x32, 'PasswordMessage'],
  [0x33, 'SASLInitialResponse'],
  [0x34, 'SASLResponse'],
])
/** A tag for what has none. */
const untagged = 0x30

/** Whatever a client may send, message by message. */
export const frontendTarget: Target = {
  name: 'frontend',
  about: 'every message of a client: what is read is written again to the very bytes',
  seeds: () => {
    const tagged = [...framesOf(Buffer.concat(clientMessages.map(encodeFrontend))).frames]
    const passwordFrames = [...passwords.keys()].map((tag, index) => ({
      tag,
      body: tagged[index]?.body ?? untaggedBodies[0]!,
    }))
    return [
      streamOf(tagged),
      ...tagged.map((frame) => streamOf([frame])),
      ...passwordFrames.map((frame) => streamOf([frame])),
      ...untaggedBodies.map((body) => streamOf([{ tag: untagged, body }])),
    ]
  },
  words: ['user\0', 'replication\0database\0', '_pq_.x\0', 'SCRAM-SHA-256\0', Uint8Array.of(4, 210, 22, 46)],
  mutate: mutateFrames,
  grow: growFrames,
  mayAllocate: (bytes) => 2000 * bytes,
  run(input) {
    for (const { tag, body } of framesOf(input).frames) {
      const expected = passwords.get(tag)
      const written =
        tag === untagged
          ? encodeUntaggedMessage(decodeUntagged(body, 0, body.length)).subarray(4)
          : encodeFrontend(
              decodeFrontend(expected === undefined ? tag : 0x70, body, 0, body.length, expected),
            ).subarray(5)
      demand(isDeepStrictEqual([...written], [...body]), 'what was read is written to other bytes')
    }
  },
}

const fromClient = 0x63
const fromServer = 0x73

/** Both sides of a connection, as somebody between the two hears it: the messages are frames whose tag says who spoke. */
export const conversationTarget: Target = {
  name: 'conversation',
  about: 'both sides of a connection from its first byte on: the same messages however the bytes are cut',
  seeds: () => conversations.map((frames) => streamOf(frames)),
  mutate: mutateFrames,
  grow: growFrames,
  mayAllocate: (bytes) => 4000 * bytes,
  run(input) {
    const { frames } = framesOf(input)
    const whole = hear(frames)
    const cut = hear(frames.flatMap(({ tag, body }) => pieces(body).map((piece) => ({ tag, body: piece }))))
    demand(isDeepStrictEqual(cut.heard, whole.heard), 'cut otherwise, the same bytes give other messages')
    if (whole.failure !== undefined) throw whole.failure
  },
}

/** Byte by byte where it is short, and never more pieces than that would be. */
function pieces(body: Uint8Array): Uint8Array[] {
  const size = Math.ceil(body.length / 256)
  return Array.from({ length: Math.ceil(body.length / size) || 0 }, (_, index) =>
    body.subarray(index * size, (index + 1) * size),
  )
}

function hear(frames: readonly Frame[]): { readonly heard: readonly ConversationMessage[]; readonly failure: unknown } {
  const conversation = new Conversation()
  const heard: ConversationMessage[] = []
  try {
    for (const { tag, body } of frames) {
      // the chunk is used again by who gave it, as soon as all of it was heard
      const chunk = body.slice()
      for (const message of conversation.read(tag === fromServer ? 'server' : 'client', chunk)) heard.push(message)
    }
  } catch (failure) {
    return { heard, failure }
  }
  return { heard, failure: undefined }
}

const value = new TextEncoder().encode('value é')

const clientMessages: readonly FrontendMessage[] = [
  { type: 'Parse', statement: 's', query: 'SELECT $1', parameterTypeOids: [25, 0] },
  {
    type: 'Bind',
    portal: 'p',
    statement: 's',
    parameterFormats: ['text', 'binary'],
    parameters: [value, null],
    resultFormats: ['binary'],
  },
  { type: 'Describe', of: 'portal', name: 'p' },
  { type: 'Execute', portal: 'p', maximumRows: 10 },
  { type: 'Close', of: 'statement', name: 's' },
  { type: 'Flush' },
  { type: 'Sync' },
  { type: 'Query', query: 'SELECT 1' },
  { type: 'CopyData', data: value },
  { type: 'CopyFail', message: 'no more' },
  { type: 'CopyDone' },
  {
    type: 'FunctionCall',
    functionOid: 177,
    argumentFormats: ['binary'],
    arguments: [Uint8Array.of(0, 0, 0, 1), null],
    resultFormat: 'text',
  },
  { type: 'Terminate' },
]

const startup: UntaggedMessage = {
  type: 'StartupMessage',
  protocolVersion: 0x0003_0002,
  parameters: [
    ['user', 'ada'],
    ['_pq_.x', 'on'],
  ],
}
const untaggedBodies = [
  startup,
  { type: 'SSLRequest' } as const,
  { type: 'GSSENCRequest' } as const,
  { type: 'CancelRequest', processId: 7, secretKey: new Uint8Array(32) } as const,
].map((message) => encodeUntaggedMessage(message).subarray(4))

const says = (tag: number, body: Uint8Array): Frame => ({ tag, body })
const conversations: readonly (readonly Frame[])[] = [
  [
    says(fromClient, encodeUntaggedMessage({ type: 'GSSENCRequest' })),
    says(fromServer, encodeEncryptionResponse({ type: 'EncryptionResponse', answer: 'N' })),
    says(fromClient, encodeUntaggedMessage(startup)),
    says(fromServer, encodeBackend({ type: 'AuthenticationSASL', mechanisms: ['SCRAM-SHA-256'] })),
    says(fromClient, encodeFrontend({ type: 'SASLInitialResponse', mechanism: 'SCRAM-SHA-256', data: 'n,,' })),
    says(fromServer, encodeBackend({ type: 'AuthenticationSASLContinue', data: 'r=x' })),
    says(fromClient, encodeFrontend({ type: 'SASLResponse', data: 'p=x' })),
    says(fromServer, encodeBackend({ type: 'AuthenticationOk' })),
    says(fromClient, Buffer.concat(clientMessages.map(encodeFrontend))),
    says(fromServer, encodeBackend({ type: 'FunctionCallResponse', value })),
    says(fromServer, encodeBackend({ type: 'ReadyForQuery', status: 'I' })),
  ],
  [
    says(fromClient, encodeUntaggedMessage(startup)),
    says(fromServer, encodeBackend({ type: 'AuthenticationMD5Password', salt: new Uint8Array(4) })),
    says(fromClient, encodeFrontend({ type: 'PasswordMessage', password: 'md5' })),
  ],
  [
    says(fromClient, encodeUntaggedMessage({ type: 'SSLRequest' })),
    says(fromServer, encodeEncryptionResponse({ type: 'EncryptionResponse', answer: 'S' })),
  ],
]
