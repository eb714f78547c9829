// Nodes on this host: machines that systemd-nspawn boots from a read-only image, each with a launcher as its firmware.
export { checkMachines, type MachineCheck } from './check.ts'
export {
  consoleText,
  damagedMachines,
  insideMachine,
  listMachines,
  type MachineAt,
  type MachineStatus,
  removeMachine,
  startMachine,
  statusOf,
  stopMachine,
} from './control.ts'
export { type CreateOptions, createMachine } from './create.ts'
export { MachineError } from './errors.ts'
export { type LauncherState, type Machine, machinePaths } from './machine-folder.ts'
export {
  defaultNetwork,
  ensureBridge,
  gatewayOf,
  type MachineNetwork,
} from './network.ts'
