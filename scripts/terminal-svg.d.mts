export interface Terminal {
  readonly columns: number
  readonly title: string
  readonly widthOf: (text: string) => number
}

export function terminalSvg(lines: readonly string[], terminal: Terminal): string

export function linesOfSvg(svg: string): string[]
