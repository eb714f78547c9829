// What goes over the wire between server, agents and people: one schema each, which gives parser and type.
export * from './assignment.ts'
export { ApiError, type Client, type ClientParts, createClient } from './client.ts'
export * from './requests.ts'
export * from './resources.ts'
export * from './version.ts'
