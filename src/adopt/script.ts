/**
 * What runs on the system that is adopted: a POSIX shell script, given on standard input of `sh -s ROOT`. It writes
 * nothing and prints one fact a line, `kind<TAB>value`. Paths are relative to the root, so that a link of a mounted system
 * never leads into this one. Names with control characters are only reported: they cannot be told apart on a line.
 * Password hashes are never read; what a mount or a process was given as options is left out where it is read.
 */
export const factsScript = String.raw`
adopt() {
LC_ALL=C; export LC_ALL; unset APT_CONFIG
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
root=$1
say() { printf '%s\t%s\n' "$1" "$2"; }
tag() { sed "s|^|$1	|"; }
step() { say step "$1"; }
[ -d "$root" ] || { say fault no-folder; return; }
# A link of a mounted system would lead into this one.
plain() { [ -f "$1" ] && [ ! -L "$1" ] && [ -r "$1" ]; }
cd "$root" 2> /dev/null || { say fault unreadable; return; }
[ ! -L etc ] && [ ! -L usr ] && [ -r var/lib/dpkg/status ] && [ -d var/lib/dpkg/info ] || { say fault not-debian; return; }
live=no; [ "$(pwd -P)" = / ] && [ -e /proc/self ] && live=yes
say live "$live"
info=var/lib/dpkg/info
control='*[[:cntrl:]]*'

step 'read packages'
if plain usr/lib/os-release; then tag release < usr/lib/os-release; elif plain etc/os-release; then tag release < etc/os-release; fi
! plain etc/debian_version || tag debian-version < etc/debian_version
! plain etc/hostname || tag hostname < etc/hostname
awk '/^$/ { print "status\t"; next }
  /^(Package|Status|Version|Architecture|Essential|Depends|Pre-Depends|Recommends|Provides):/ { in_conffiles = 0; print "status\t" $0; next }
  /^Conffiles:/ { in_conffiles = 1; next }
  /^ / { if (in_conffiles) print "status\tConffile:" $0; next }
  { in_conffiles = 0 }' var/lib/dpkg/status
[ ! -r var/lib/apt/extended_states ] || awk '/^Package:/ { name = $2 } /^Auto-Installed: 1/ { print "auto\t" name }' var/lib/apt/extended_states

step 'read archive indexes'
if command -v apt-get > /dev/null; then
  aptroot="-o Dir=$(pwd -P)"; [ "$live" = no ] || aptroot=
  apt-get $aptroot -o Dir::State::status="$(pwd -P)/var/lib/dpkg/status" indextargets --format '$(ORIGIN)|$(COMPONENT)|$(FILENAME)' 'Created-By: Packages' 2> /dev/null |
    while IFS='|' read -r origin component file; do
      [ -r "$file" ] || continue
      say index "$origin"
      /usr/lib/apt/apt-helper cat-file "$file" 2> /dev/null | awk -v tail="$origin	$component" '
        reading == 1 { if (/^Package:/) name = $2; else if (/^Status:/ && $4 == "installed") there[name]; next }
        /^Package:/ { name = $2 } /^Version:/ && (name in there) { print "origin\t" name "\t" $2 "\t" tail }' reading=1 var/lib/dpkg/status reading=2 -
    done
fi

step 'compare files with their packages'
awk 'FNR == 1 { name = FILENAME; sub(/.*\//, "", name); sub(/\.list$/, "", name); sub(/:.*/, "", name) }
  /^\/(etc|opt|srv|usr\/local|(usr\/)?lib\/systemd\/system|usr\/lib\/sysusers\.d)(\/|$)/ { print "owned\t" name "\t" $0 }' $info/*.list
cat $info/*.md5sums 2> /dev/null | grep -Ev '  (\./)?usr/share/(doc|man|locale|info|lintian)/' | md5sum --check --quiet 2> /dev/null |
  sed -n 's|^\(\./\)\{0,1\}\(.*\): FAILED\( open or read\)\{0,1\}$|\2\3|p' |
  awk 'reading == 1 { lost = sub(/ open or read$/, ""); state["/" $0] = lost ? "lost" : "changed"; next }
    FNR == 1 { name = FILENAME; sub(/.*\//, "", name); sub(/\.list$/, "", name); sub(/:.*/, "", name) }
    ($0 in state) { print state[$0] "\t" name "\t" $0 }' reading=1 - reading=2 $info/*.list |
  while IFS='	' read -r kind package path; do
    # What cannot be read is not lost.
    if [ "$kind" = lost ] && [ -e ".$path" ]; then kind=closed; fi
    printf '%s\t%s\t%s\n' "$kind" "$package" "$path"
  done
find etc -xdev -type f -size -2048k ! -path "$control" -exec md5sum {} + 2> /dev/null | tag md5
[ ! -r var/lib/ucf/hashfile ] || tag ucf < var/lib/ucf/hashfile
find usr/share/base-files usr/share/openssh -type f -exec md5sum {} + 2> /dev/null | tag template

step 'list files of no package'
for area in etc opt srv usr/local; do
  [ -d "$area" ] || continue
  find "$area" -xdev -path "$control" -print0 | tr '\001-\037\177' '?' | tr '\0' '\n' | tag odd
  find "$area" -xdev ! -path "$control" ! -lname "$control" \( -type d ! \( -readable -executable \) -printf 'closed\t-\t/%p\n' -prune -o -printf 'entry\t%y\t%m\t%U\t%G\t%s\t/%p\t%l\n' \) 2> /dev/null
done
merged=no; [ ! -L lib ] || merged=yes
find bin sbin lib usr -xdev \( -path usr/local -o -name __pycache__ \) -prune -o ! -path "$control" ! -type d ! -lname '/etc/alternatives/*' -printf '/%p\n' 2> /dev/null |
  awk -v merged="$merged" 'function real(path) { if (merged == "yes" && path ~ /^\/(bin|sbin|lib|lib32|lib64|libx32)\//) return "/usr" path; return path }
    reading == 1 { owned[real($0)]; next } { path = real($0) } !(path in owned) && !(path in said) { said[path]; print "stray\t" path }' reading=1 $info/*.list reading=2 -
for name in *; do say top "$name"; done

step 'read accounts and units'
! plain etc/passwd || awk -F: 'BEGIN { OFS = ":" } NF >= 7 { $2 = "x"; print "passwd\t" $0 }' etc/passwd
! plain etc/group || awk -F: 'BEGIN { OFS = ":" } NF >= 4 { $2 = "x"; print "group\t" $0 }' etc/group
cat usr/share/base-passwd/passwd.master usr/share/base-passwd/group.master 2> /dev/null | cut -d: -f1 | sort -u | tag base-account
names=$(cut -d: -f1 etc/passwd etc/group | sort -u | grep -E '^[A-Za-z_][A-Za-z0-9_.-]*$' | tr '\n' ' ')
# A script makes an account where it names it to adduser and the like, or keeps its name in a variable.
scripts=$(grep -lE 'adduser|useradd|addgroup|groupadd|sysusers' $info/*.postinst $info/*.preinst $info/*.config 2> /dev/null)
[ -z "$scripts" ] || awk -v names="$names" 'BEGIN { count = split(names, list, " "); for (i = 1; i <= count; i++) known[list[i]] }
  { line = line $0; if (sub(/\\$/, " ", line)) next }
  line !~ /^[ \t]*#/ && (line ~ /adduser|useradd|addgroup|groupadd|getent|chown|chgrp|statoverride/ || line ~ /^[ \t]*((export|local|readonly) )?[A-Za-z_]+=/) {
    name = FILENAME; sub(/.*\//, "", name); sub(/\.[a-z]*$/, "", name); sub(/:.*/, "", name)
    count = split(line, words, /[^A-Za-z0-9_.-]+/)
    for (i = 1; i <= count; i++) if ((words[i] in known) && !said[name, words[i]]++) print "maker\t" words[i] "\t" name
  }
  { line = "" }' $scripts
for file in usr/lib/sysusers.d/*.conf; do
  [ ! -r "$file" ] || awk -v names="$names" 'BEGIN { count = split(names, list, " "); for (i = 1; i <= count; i++) known[list[i]] }
    $1 ~ /^[ugm]/ && ($2 in known) { print "maker\t" $2 "\t/" FILENAME }' "$file"
done
for name in $(find etc/systemd/system-preset usr/lib/systemd/system-preset -name '*.preset' -printf '%f\n' 2> /dev/null | sort -u); do
  for file in "etc/systemd/system-preset/$name" "usr/lib/systemd/system-preset/$name"; do
    [ ! -r "$file" ] || { grep -E '^(enable|disable) ' "$file" | tag preset; break; }
  done
done
for kind in enabled masked; do
  [ ! -d "var/lib/systemd/deb-systemd-helper-$kind" ] || find "var/lib/systemd/deb-systemd-helper-$kind" ! -type d -printf "helper-$kind\t%P\n"
done
for file in var/lib/dpkg/alternatives/*; do
  [ -r "$file" ] || continue
  read -r mode < "$file"; [ "$mode" != manual ] || say alternative "$(basename "$file")"
done
[ ! -r var/lib/dpkg/diversions ] || paste - - - < var/lib/dpkg/diversions | tag diversion

step 'look for what stays behind'
shipped=$(grep -h '^/var/' $info/*.list)
for path in var/lib/* var/mail var/www var/opt var/local var/spool/* var/backups var/games root home/*; do
  [ -d "$path" ] && [ ! -L "$path" ] || continue
  if [ ! -r "$path" ] || [ ! -x "$path" ]; then say closed "-	/$path"; continue; fi
  first=$(find "$path" -xdev -type f -printf '/%p\n' 2> /dev/null | head -n 1000 | grep -vxF -e "$shipped" | head -n 1)
  [ -z "$first" ] || say state "$(du -skx "$path" 2> /dev/null | cut -f1)	/$path"
done
for path in var/spool/cron/crontabs/* var/spool/cron/atjobs/*; do [ ! -f "$path" ] || say crontab "/$path"; done
! plain etc/fstab || awk '!/^[[:space:]]*(#|$)/ { print "mount\t" $2 "\t" $3 }' etc/fstab
# In a container it is the host's; what stands behind two dashes is for another program.
if [ "$live" = yes ] && [ -e run/systemd/container ]; then :
elif [ "$live" = yes ] && [ -r /proc/cmdline ]; then sed 's/ -- .*//' /proc/cmdline | tag kernel
elif plain etc/default/grub; then sed -n 's/^GRUB_CMDLINE_LINUX\(_DEFAULT\)\{0,1\}=//p' etc/default/grub | tr -d "\"'" | tag kernel; fi
for path in usr/local/lib/python3*/dist-packages/*.dist-info usr/lib/python3/dist-packages/*.dist-info; do
  [ -e "$path/INSTALLER" ] && grep -qx pip "$path/INSTALLER" && say foreign "pip	$(basename "$path" .dist-info)"
done
for path in usr/local/lib/node_modules/*; do [ ! -d "$path" ] || say foreign "npm	$(basename "$path")"; done
for path in snap/*; do case $path in snap/bin | snap/README | 'snap/*') ;; *) say foreign "snap	$(basename "$path")" ;; esac; done
for path in var/lib/flatpak/app/*; do [ ! -d "$path" ] || say foreign "flatpak	$(basename "$path")"; done
if [ "$live" = yes ] && command -v ss > /dev/null; then
  say sockets read
  ss -Hlntp 2> /dev/null | while read -r state receive send address peer process; do
    pid=$(printf '%s' "$process" | sed -n 's/.*pid=\([0-9]*\).*/\1/p')
    name=$(printf '%s' "$process" | sed -n 's/^users:(("\([^"]*\)".*/\1/p')
    unit=; [ -z "$pid" ] || unit=$(sed -n 's|.*/\([^/]*\.service\)$|\1|p' "/proc/$pid/cgroup" 2> /dev/null | head -n 1)
    say socket "$address	$name	$unit"
  done
fi
say end ''
}
adopt "$1" < /dev/null
`

/** Ends the list of paths in {@link contentScript}; a path cannot be it, since every one begins with a slash. */
export const pathsEnd = 'ashlar-end-of-paths'

/**
 * Prints `file<TAB>path<TAB>base64` of each path. Where it runs as root it reads as nobody: the kernel, and no list of
 * names, then says what is open to everyone. The folder is entered before, since the way to it may be closed to nobody.
 */
export function contentScript(paths: readonly string[]): string {
  return String.raw`
LC_ALL=C; export LC_ALL
PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd "$1" || exit 1
reader='while IFS= read -r path; do
  if [ -f ".$path" ] && [ ! -L ".$path" ] && [ -r ".$path" ]; then
    printf "file\t%s\t" "$path"; base64 -w 0 < ".$path"; printf "\n"
  else printf "unread\t%s\n" "$path"; fi
done; printf "end\t\n"'
if [ "$(id -u)" = 0 ]; then
  set -- setpriv --reuid=65534 --regid=65534 --clear-groups sh -c "$reader"
else set -- sh -c "$reader"; fi
exec "$@" << '${pathsEnd}'
${paths.join('\n')}
${pathsEnd}
`
}
