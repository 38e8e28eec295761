import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { encodeBackend } from '../../../src/protocol/messages/backend.ts'
import { Conversation, type ConversationMessage } from '../../../src/protocol/messages/conversation.ts'
import { encodeFrontend } from '../../../src/protocol/messages/frontend.ts'
import { encodeEncryptionResponse, encodeUntaggedMessage } from '../../../src/protocol/messages/startup-messages.ts'

type Side = ConversationMessage['from']

/** One connection as somebody between the two hears it. */
export class Recording {
  readonly #conversation = new Conversation()
  readonly messages: ConversationMessage[] = []
  /** What each side sent. */
  readonly bytes: Record<Side, Uint8Array[]> = { client: [], server: [] }
  /** The first message that could not be read. */
  failure: unknown
  readonly #server: Socket

  constructor(server: Socket) {
    this.#server = server
  }

  hear(from: Side, chunk: Uint8Array): void {
    this.bytes[from].push(new Uint8Array(chunk))
    try {
      this.messages.push(...this.#conversation.read(from, chunk))
    } catch (error) {
      this.failure ??= error
    }
  }

  /** Says something in the client's place. */
  sayAsClient(chunk: Uint8Array): void {
    this.hear('client', chunk)
    this.#server.write(chunk)
  }

  /** Names of the messages of one side. */
  types(from: Side): string[] {
    return this.messages.filter((said) => said.from === from).map(({ message }) => message.type)
  }

  /** The bytes that the messages of one side are, when they are written again. */
  encoded(from: Side): Uint8Array {
    return Buffer.concat(this.messages.filter((said) => said.from === from).map(encode))
  }
}

function encode(said: ConversationMessage): Uint8Array {
  if (said.from === 'server') {
    const { message } = said
    return message.type === 'EncryptionResponse' ? encodeEncryptionResponse(message) : encodeBackend(message)
  }
  const { message } = said
  switch (message.type) {
    case 'CancelRequest':
    case 'GSSENCRequest':
    case 'SSLRequest':
    case 'StartupMessage':
      return encodeUntaggedMessage(message)
    default:
      return encodeFrontend(message)
  }
}

/** Sits between clients and a server on loopback, passes on every byte, and keeps what was said on each connection. */
export async function recorder(
  serverPort: number,
): Promise<{ readonly port: number; readonly recordings: readonly Recording[] } & AsyncDisposable> {
  const sockets = new Set<Socket>()
  const recordings: Recording[] = []
  const listener = createServer((client) => {
    const server = connect(serverPort, '127.0.0.1')
    const recording = new Recording(server)
    recordings.push(recording)
    for (const [from, socket, other] of [
      ['client', client, server],
      ['server', server, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('data', (chunk: Uint8Array) => {
        recording.hear(from, chunk)
        other.write(chunk)
      })
      socket.on('end', () => other.end())
    }
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    recordings,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}
