/** The folders on the way to a path: `/a/b/c` → `/a`, `/a/b`. */
export function foldersOf(path: string): readonly string[] {
  const parts = path.split('/').slice(1, -1)
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`)
}
