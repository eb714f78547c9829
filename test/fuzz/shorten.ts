/** A shorter input for which `holds` still: parts are left out, large ones first. */
export async function shorten(
  input: Uint8Array,
  msMax: number,
  holds: (shorter: Uint8Array) => Promise<boolean>,
): Promise<Uint8Array> {
  let best = input
  const untilMs = performance.now() + msMax
  for (
    let part = Math.ceil(best.length / 2);
    part > 0 && performance.now() < untilMs;
    part = part === 1 ? 0 : Math.ceil(part / 2)
  )
    for (let at = 0; at < best.length && performance.now() < untilMs; ) {
      const shorter = Buffer.concat([best.subarray(0, at), best.subarray(at + part)])
      if (await holds(shorter)) best = shorter
      else at += part
    }
  return best
}
