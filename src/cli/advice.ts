import type { Reason } from '../core/index.ts'

/** What an operator does about an order or a release that a node refused or left, by the reason's code. */
export const advice: Readonly<Record<string, string>> = {
  'signature-missing':
    'sign it and push it again: ashlar sign REFERENCE --key FILE, then ashlar push REFERENCE',
  'signatures-too-few': 'add a signature and push again: ashlar sign REFERENCE --key OTHER-FILE',
  'below-floor': 'choose a newer release: ashlar get releases; a floor never sinks',
  'blob-digest-mismatch':
    'the registry holds other bytes than were signed: put its store right from a backup, or push under a new version',
  'root-digest-mismatch':
    'what was staged was altered since: ashlar rollout start FLEET DIGEST; if it recurs, look at the disk of the node',
  'content-digest-mismatch':
    'build, sign and push the release again: what was published does not fit together',
  'assignment-signature':
    'the server signs with a key that the image does not trust: compare ashlar serve --director-key with trust.director',
  'assignment-other-node': 'enrol the machine that now bears this name: ashlar token enrol NODE',
  'assignment-replayed': 'give a newer order: ashlar rollout start FLEET DIGEST',
  'assignment-late': 'give a new order: ashlar rollout start FLEET DIGEST; late by hours, compare the clocks',
  'assignment-from-future': 'set the clocks of server and node: timedatectl',
  'space-missing': 'make space in /var of the node, or give it a larger disk',
  'disk-full': 'make space in /var of the node: it goes on by itself then',
  'journal-damaged': 'look at the disk of the node: what it wrote was altered afterwards',
  'journal-lost': 'look at the disk of the node; then give it an order: ashlar rollout start FLEET DIGEST',
  'clock-far-off': 'set the clock of the node: timedatectl set-ntp true',
  'credential-expired': 'set the clock of the node, or of the server: timedatectl set-ntp true',
  'deadline-passed': 'see whether it is on: ashlar get nodes; then ashlar rollout start FLEET DIGEST',
  'health-check-failed': 'see what it wrote: ashlar machine console NODE --log',
}

/** Undefined where there is nothing that always helps. */
export function adviceOn({ code }: Pick<Reason, 'code'>): string | undefined {
  return advice[code]
}

/** A reason for people: what it is, the last lines of what failed, and what is to be done. */
export function sayReason(reason: Reason): string {
  const lines = (reason.lastLines ?? []).map((line) => `\n    ${line}`).join('')
  const mend = adviceOn(reason)
  return `${reason.message} [${reason.code}]${lines}${mend === undefined ? '' : `\n    mend ${mend}`}`
}
