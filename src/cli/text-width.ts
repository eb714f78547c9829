/** Graphemes that take two columns: East Asian wide and full-width characters (UAX #11) and pictures. */
const wide =
  /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Emoji_Presentation}|\ufe0f|[\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]/u
const narrow = /[\uff61-\uffdc]/u
/** Nothing of it is drawn by itself: marks, format characters, controls. */
const invisible = /^[\p{Mark}\p{Cf}\p{Cc}]+$/u
const plain = /^[\x20-\x7e]*$/
const graphemes = new Intl.Segmenter()

/** How many columns of a terminal a text takes. */
export function textWidth(text: string): number {
  if (plain.test(text)) return text.length
  return Array.from(graphemes.segment(text), ({ segment }) => graphemeWidth(segment)).reduce(
    (sum, width) => sum + width,
    0,
  )
}

function graphemeWidth(grapheme: string): number {
  if (invisible.test(grapheme)) return 0
  return wide.test(grapheme) && !narrow.test(grapheme) ? 2 : 1
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - textWidth(text)))
}

/** As much of a text as fits; `…` stands for the rest. */
export function fitTo(text: string, width: number): string {
  if (textWidth(text) <= width) return text
  let kept = ''
  let used = 1
  for (const { segment } of graphemes.segment(text)) {
    used += graphemeWidth(segment)
    if (used > width) break
    kept += segment
  }
  return `${kept}…`
}
