const absent: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'ESRCH'])

/** The result, or undefined where there is no such file, folder or process. */
export async function whenThere<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result
  } catch (error) {
    if (error instanceof Error && 'code' in error && absent.has(error.code)) return undefined
    throw error
  }
}
