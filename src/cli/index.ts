// The command line: one file a command; each hands the real world on, returns data, and lets one place print it.
export { type Context, foldersOf } from './context.ts'
