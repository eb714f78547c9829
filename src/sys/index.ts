// The only real clock, disk, network, programs and randomness; all others are handed these as one argument.
export { SysError, type SysErrorCode } from './errors.ts'
export { realSys } from './real.ts'
export type {
  Clock,
  Disk,
  Exec,
  ExecOptions,
  ExecResult,
  HttpRequest,
  HttpResponse,
  Listener,
  ListenOptions,
  Net,
  Random,
  RunningProcess,
  SpawnOptions,
  Sys,
} from './sys.ts'
