/**
 * Ashlar's own systemd units. Their `Wants` and `Requires` are links in `/usr/lib/systemd/system`, so that `/etc` has
 * nothing of ours. `boot-complete.target` is wanted by no unit of Debian where there is no UEFI: the confirmation wants
 * it. Health checks begin when all services were started; what they pull in has no default dependencies, because a
 * target orders itself after what it wants, and `multi-user.target` would wait for itself.
 */
const program = '/usr/lib/ashlar/node /usr/lib/ashlar/agent.js'

const late = `DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target`

const health = `[Unit]
Description=Health checks of this release
${late}
After=sysinit.target basic.target multi-user.target
Before=boot-complete.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${program} health
LoadCredential=ashlar.boot
LoadCredential=ashlar.enrolment
StateDirectory=ashlar
RuntimeDirectory=ashlar-agent
RuntimeDirectoryPreserve=yes
TimeoutStartSec=infinity
`

const confirm = `[Unit]
Description=Confirm this release
${late}
ConditionPathExists=!/sys/firmware/efi
Requires=boot-complete.target
After=boot-complete.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${program} confirm
LoadCredential=ashlar.boot
LoadCredential=ashlar.enrolment
StateDirectory=ashlar
RuntimeDirectory=ashlar-agent
RuntimeDirectoryPreserve=yes
`

const agent = `[Unit]
Description=Ashlar agent
After=network.target

[Service]
ExecStart=${program} run
LoadCredential=ashlar.boot
LoadCredential=ashlar.enrolment
StateDirectory=ashlar
RuntimeDirectory=ashlar-agent
RuntimeDirectoryPreserve=yes
Restart=always
RestartSec=2
`

const folder = '/usr/lib/systemd/system'

export const unitFiles: Readonly<Record<string, string>> = {
  [`${folder}/ashlar-health.service`]: health,
  [`${folder}/ashlar-confirm.service`]: confirm,
  [`${folder}/ashlar-agent.service`]: agent,
}

/** Link → target. */
export const unitLinks: Readonly<Record<string, string>> = {
  [`${folder}/boot-complete.target.requires/ashlar-health.service`]: '../ashlar-health.service',
  [`${folder}/multi-user.target.wants/ashlar-confirm.service`]: '../ashlar-confirm.service',
  [`${folder}/multi-user.target.wants/ashlar-agent.service`]: '../ashlar-agent.service',
}
