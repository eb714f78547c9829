/** Hosts of a /24 after network, gateway (.1) and broadcast: the most machines that one bridge takes. */
export const hostNumbers = { first: 2, last: 254 } as const
/** An interface's name has 15 bytes at the most (IFNAMSIZ). */
export const interfaceNameMax = 15
/** A launcher says within this that its machine runs; hashing a large slot comes first. */
export const startMs = 120_000
/** A machine that is told to power off is given this long; systemd's own limit for a unit's stop is 90 s. */
export const powerOffMs = 30_000
/** The launcher's own work after its machine is off. */
export const launcherEndMs = 5_000
/** How often a state file is looked at while somebody waits for it. */
export const pollMs = 25
/** A machine that ends by itself without asking for a reboot is started again after this pause. */
export const crashPauseMs = 1_000
/** Crashes in a row, none of which came up whole, after which the launcher gives the machine up. */
export const crashesMax = 10
/** Mounts of a confirmed release that fail in a row before it steps back: one may be chance (no loop device, a busy disk). */
export const mountTriesMax = 3
/** A trial that hangs, its agent with it, is ended after this. Longer than the 10 minutes after which an agent that runs gives its trial up, with the reason. */
export const watchdogSecondsDefault = 15 * 60
/** A day, as for a health check: together they stay far below the 24.8 days that Node's timers take. */
export const watchdogSecondsMax = 24 * 60 * 60
/** A single `ip`, `mount` or `umount`. */
export const commandMs = 20_000
/** Read at once while hashing: large enough that the hashing takes the time. */
export const hashPieceBytes = 1024 * 1024
/** More than a launcher's state ever has. */
export const stateBytes = 4096
/** The kernel ends all processes of a killed launcher well within this, also on a busy host. */
export const endingMs = 5_000
