import { int32At, uint16At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { Writer } from '../../protocol/messages/writer.ts'
import { type SliceText, sliceUtf8, sliceUtf8Strictly } from '../text.ts'
import type { Codec } from './codec.ts'
import { writeString } from './string.ts'
import { lexemeEnd, quoteLexeme, unquoteLexeme } from './tsvector.ts'

/*
 * Text: 'a':*A & !( 'b' | 'c' ) <2> 'd', with the parentheses that the ranks of the operators ask for.
 * Binary: Int32 number of nodes, and the tree from its root on, an operator before its right and then its left operand.
 * A node is Byte 1, Byte weights (D 1, C 2, B 4, A 8), Byte whether a prefix, String lexeme; or Byte 2, Byte operator,
 * and for <-> Int16 distance.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/tsquery.c tsquerysend, infix
 */

const [lexemeNode, operatorNode] = [1, 2]
const [not, and, or, phrase] = [1, 2, 3, 4]

/** How tightly an operator binds; a lexeme most of all. */
const ranks: Readonly<Record<number, number>> = { [or]: 1, [and]: 2, [phrase]: 3, [not]: 4 }
const lexemeRank = 5

const weightLetters = [
  [8, 'A'],
  [4, 'B'],
  [2, 'C'],
  [1, 'D'],
] as const

/** tsquery: a string. */
export const tsqueryCodec: Codec<string> = { ...makeCodec(sliceUtf8), strict: makeCodec(sliceUtf8Strictly) }

function makeCodec(sliceText: SliceText): Codec<string> {
  return {
    readText: sliceText,
    readBinary: (bytes, start, end) => writeTree(readNodes(bytes, start, end, sliceText)),
    encodeText: writeString,
    encodeBinary: (value) => encodeTree(parse(writeString(value))),
    binaryExact: true,
  }
}

interface Lexeme {
  readonly lexeme: string
  readonly weights: number
  readonly isPrefix: boolean
}

interface Operator {
  readonly operator: number
  /** Of a phrase operator; 0 for the others. */
  readonly distance: number
}

type Node = Lexeme | Operator

/** The nodes in the order of the wire. */
function readNodes(bytes: Uint8Array, start: number, end: number, sliceText: SliceText): Node[] {
  if (end - start < 4) fail('the number of nodes is missing', 0)
  const count = int32At(bytes, start)
  if (count < 0) fail(`it says ${count} nodes`, 0)
  const nodes: Node[] = []
  let at = start + 4
  for (let index = 0; index < count; index++) {
    if (at + 2 > end) fail(`it ends before node ${index}`, at - start)
    const kind = bytes[at]!
    if (kind === lexemeNode) {
      const nul = lexemeEnd(bytes, at + 3, end)
      if (nul >= end) fail('a lexeme does not end', at - start)
      const isPrefix = bytes[at + 2] !== 0
      nodes.push({ lexeme: sliceText(bytes, at + 3, nul), weights: bytes[at + 1]!, isPrefix })
      at = nul + 1
    } else if (kind === operatorNode) {
      const operator = bytes[at + 1]!
      if (ranks[operator] === undefined) fail(`it has the unknown operator ${operator}`, at + 1 - start)
      if (operator === phrase && at + 4 > end) fail('a distance is missing', at - start)
      nodes.push({ operator, distance: operator === phrase ? uint16At(bytes, at + 2) : 0 })
      at += operator === phrase ? 4 : 2
    } else fail(`it has the unknown kind of node ${kind}`, at - start)
  }
  if (at !== end) fail('bytes stand behind the last node', at - start)
  return nodes
}

/** A part of a query, and the operator that holds it together, 0 for a lexeme. */
interface Part {
  readonly text: string
  readonly operator: number
}

/** From the last node to the root, so that operands are there before their operator, however deep the tree is. */
function writeTree(nodes: readonly Node[]): string {
  const parts: Part[] = []
  const take = (): Part => parts.pop() ?? fail('an operator lacks an operand', 0)
  for (let index = nodes.length - 1; index >= 0; index--) {
    const node = nodes[index]!
    if ('lexeme' in node) {
      parts.push({ text: lexemeText(node), operator: 0 })
      continue
    }
    const { operator } = node
    if (operator === not) {
      parts.push({ text: `!${wrapped(take(), operator, false)}`, operator })
      continue
    }
    const right = wrapped(take(), operator, operator === phrase)
    const left = wrapped(take(), operator, false)
    parts.push({ text: `${left} ${operatorText(node)} ${right}`, operator })
  }
  if (parts.length > 1) fail('it has operands without an operator', 0)
  return parts[0]?.text ?? ''
}

function lexemeText(node: Lexeme): string {
  let marks = node.isPrefix ? '*' : ''
  for (const [bit, letter] of weightLetters) if ((node.weights & bit) !== 0) marks += letter
  return quoteLexeme(node.lexeme) + (marks === '' ? '' : `:${marks}`)
}

function operatorText({ operator, distance }: Operator): string {
  if (operator === and) return '&'
  if (operator === or) return '|'
  return distance === 1 ? '<->' : `<${distance}>`
}

/** `a <-> (b <-> c)` is not `(a <-> b) <-> c`, which goes without parentheses. */
function wrapped({ text, operator }: Part, parent: number, isRightOfPhrase: boolean): string {
  const rank = ranks[operator] ?? lexemeRank
  return rank < ranks[parent]! || (isRightOfPhrase && operator === phrase) ? `( ${text} )` : text
}

const token = /\s*(?:('(?:[^'\\]|''|\\\\)*')(?::(\*?[ABCD]*))?|<(-|\d+)>|([&|!()]))\s*/y

/** The nodes with operators behind their operands, by E. W. Dijkstra's shunting yard, which needs no recursion. */
function parse(text: string): Node[] {
  const output: Node[] = []
  const waiting: (Operator | '(')[] = []
  let wantsOperand = true
  const reject = (at: number): never => {
    throw new TypeError(`the tsquery cannot be read at character ${at}`)
  }
  const settle = (rank: number) => {
    for (let top = waiting.at(-1); top !== undefined && top !== '('; top = waiting.at(-1)) {
      if (ranks[top.operator]! < rank) return
      output.push(top)
      waiting.pop()
    }
  }
  token.lastIndex = 0
  while (token.lastIndex < text.length) {
    const from = token.lastIndex
    const [matched, lexeme, marks = '', distance, sign] = token.exec(text) ?? []
    if (matched === undefined) return reject(from)
    const opens = lexeme !== undefined || sign === '!' || sign === '('
    if (opens !== wantsOperand) return reject(from)
    if (lexeme !== undefined) {
      let weights = 0
      for (const [bit, letter] of weightLetters) if (marks.includes(letter)) weights |= bit
      output.push({ lexeme: unquoteLexeme(lexeme), weights, isPrefix: marks.startsWith('*') })
      wantsOperand = false
    } else if (sign === '(') waiting.push('(')
    else if (sign === '!') waiting.push({ operator: not, distance: 0 })
    else if (sign === ')') {
      settle(0)
      if (waiting.pop() !== '(') return reject(from)
    } else {
      const operator = sign === '&' ? and : sign === '|' ? or : phrase
      settle(ranks[operator]!)
      waiting.push({ operator, distance: distance === '-' ? 1 : Number(distance ?? 0) })
      wantsOperand = true
    }
  }
  settle(0)
  if (waiting.length > 0 || (wantsOperand && output.length > 0)) return reject(text.length)
  return output
}

/** The wire has it the other way round: from the root, the right operand first. That is just the reverse. */
function encodeTree(nodes: readonly Node[]): Uint8Array {
  const writer = new Writer().int32(nodes.length)
  for (const node of nodes.toReversed()) {
    if ('lexeme' in node) {
      writer
        .uint8(lexemeNode)
        .uint8(node.weights)
        .uint8(node.isPrefix ? 1 : 0)
        .cstring(node.lexeme)
    } else {
      writer.uint8(operatorNode).uint8(node.operator)
      if (node.operator === phrase) writer.int16(node.distance)
    }
  }
  return writer.finish()
}

function fail(why: string, offset: number): never {
  throw new ProtocolError('a binary tsquery could not be read', why, offset)
}
