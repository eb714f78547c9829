import { distance } from 'fastest-levenshtein'

/** The candidates that a mistyped `word` most likely meant, nearest first; none where nothing is near. */
export function nearest(word: string, candidates: Iterable<string>, countMax = 3): readonly string[] {
  const farthest = Math.max(1, Math.floor(word.length / 3))
  const near: { readonly candidate: string; readonly away: number }[] = []
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) > farthest) continue
    const away = distance(word, candidate)
    if (away <= farthest) near.push({ candidate, away })
  }
  return near
    .toSorted((a, b) => a.away - b.away || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, countMax)
    .map(({ candidate }) => candidate)
}
