/**
 * What is shown was written by nodes, registries, programs of images: none of them may move the cursor, hide or colour
 * what is said, name the window or answer in the person's place. Written as JSON writes it, so that JSON stays what it is.
 */
export function harmless(text: string): string {
  return text.replace(/\r\n|[^\P{Cc}\t\n]/gu, (found) =>
    found === '\r\n' ? found : `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
