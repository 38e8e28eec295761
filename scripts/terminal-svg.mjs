// Lines as a program writes them to a terminal, with colours (SGR), as a picture that shows them in any browser.

const cellWidth = 8.4
const lineHeight = 20
const fontSize = 14
const padding = 18
const titleHeight = 34

/** SGR parameters, in the colours of a dark terminal. */
const styles = {
  1: 'fill="#f0f6fc" font-weight="bold"',
  '1;31': 'fill="#ff7b72" font-weight="bold"',
  2: 'fill="#7d8590"',
  31: 'fill="#ff7b72"',
  32: 'fill="#7ee787"',
  33: 'fill="#e3b341"',
  34: 'fill="#79c0ff"',
  35: 'fill="#d2a8ff"',
  36: 'fill="#76e3ea"',
}

/**
 * @param lines without line feeds
 * @param columns how wide the terminal is
 * @param widthOf cells that a text takes
 * @returns the picture as SVG
 */
export function terminalSvg(lines, { columns, title, widthOf }) {
  const width = Math.ceil(columns * cellWidth + 2 * padding)
  const height = lines.length * lineHeight + titleHeight + 2 * padding
  const dots = ['#ff5f57', '#febc2e', '#28c840'].map(
    (colour, index) => `<circle cx="${22 + index * 20}" cy="18" r="6" fill="${colour}"/>`,
  )
  const texts = lines.map((line, index) => {
    const y = titleHeight + padding + index * lineHeight + fontSize
    return lineText(line, y, widthOf)
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">
<rect width="${width}" height="${height}" rx="10" fill="#0d1117"/>
${dots.join('')}<text x="${width / 2}" y="23" text-anchor="middle" fill="#7d8590" font-family="system-ui, sans-serif" font-size="13">${escaped(title)}</text>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${fontSize}" fill="#c9d1d9" xml:space="preserve">
${texts.filter((text) => text !== '').join('\n')}
</g>
</svg>
`
}

/** One line; each piece stands where its column is, however wide the characters of the font are. */
function lineText(line, y, widthOf) {
  let column = 0
  const pieces = pieceTexts(line).map(({ text, style }) => {
    const cells = widthOf(text)
    const x = (padding + column * cellWidth).toFixed(1)
    column += cells
    const length = (cells * cellWidth).toFixed(1)
    const look = style === undefined ? '' : ` ${styleOf(style)}`
    return `<tspan x="${x}" textLength="${length}"${look}>${escaped(text)}</tspan>`
  })
  return column === 0 ? '' : `<text y="${y}">${pieces.join('')}</text>`
}

function styleOf(parameters) {
  const style = styles[parameters]
  if (style === undefined) throw new Error(`there is no colour for ${parameters}`)
  return style
}

const escapeCharacter = '\u001b'
const styleSequence = new RegExp(`${escapeCharacter}\\[([\\d;]*)m`)

/** The line cut where its style changes. */
function pieceTexts(line) {
  const pieces = []
  let style
  // split by a pattern with a group: texts and parameters in turn
  for (const [index, part] of line.split(styleSequence).entries()) {
    if (index % 2 === 1) style = part === '0' || part === '' ? undefined : part
    else if (part !== '') pieces.push({ text: part, style })
  }
  return pieces
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** The texts of a picture's lines, without their colours, as {@link terminalSvg} has them. */
export function linesOfSvg(svg) {
  return [...svg.matchAll(/<text y="\d+">(.*)<\/text>/g)].map(([, pieces]) =>
    [...pieces.matchAll(/<tspan[^>]*>([^<]*)<\/tspan>/g)]
      .map(([, text]) => text)
      .join('')
      .replaceAll('&quot;', '"')
      .replaceAll('&gt;', '>')
      .replaceAll('&lt;', '<')
      .replaceAll('&amp;', '&'),
  )
}
