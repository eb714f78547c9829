// One process that serves the API, the registry and the director over one database; nothing of it is open.
export { checkServer, type ServerCheck } from './check.ts'
export { ServerError } from './errors.ts'
export { type RunningServer, type ServerOptions, startServer } from './start.ts'
