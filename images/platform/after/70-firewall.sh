#!/usr/bin/env bash
# Sets the firewall of the image: on, the zone `public` lets in SSH, the answers of DHCPv6 and the ports that the definition
# serves (IMAGEFACTORY_SERVES: `53/udp=boot 8443/tcp=deployed`), and nothing else. The loopback interface has a zone of its
# own (CIS 4.2.2). What a step of the team opened beside the definition is closed again, and named. A service is let in by
# name, so its ports must be those of firewalld's own files.
#
# What goes out is not filtered, so the agent reaches 168.63.129.16 and 169.254.169.254. The agent's own rules for these
# addresses are in direct.xml, which stays. A DHCP client reads packets below the firewall.
#
# firewall-offline-cmd writes the files, whether firewalld runs or not. A firewalld that runs reads them again.
set -euo pipefail

etc=/etc/firewalld
lib=/usr/lib/firewalld
packages=(firewalld firewalld-filesystem)
wanted=(dhcpv6-client ssh)
declared=()
for served in ${IMAGEFACTORY_SERVES:-}; do
  declared+=("${served%%=*}")
done

fw() { # firewall-offline-cmd, which says `success` on stdout where it changes something
  firewall-offline-cmd "$@"
}

listed() { # what `--list-all` said of one kind, one a line, sorted
  sed -n "s/^  $2: //p" <<<"$1" | tr -s ' ' '\n' | sed '/^$/d' | LC_ALL=C sort
}

rules() { # the rich rules that `--list-all` said
  sed -n 's/^\t//p' <<<"$1"
}

holds() { # whether a service has one port and nothing else
  local said
  said=$(fw --info-service="$1")
  [[ $(listed "$said" ports) == "$2" ]] && ! grep --extended-regexp --quiet \
    '^  (protocols|source-ports|modules|includes|helpers): .' <<<"$said"
}

lines() { (($#)) && printf '%s\n' "$@" | LC_ALL=C sort || :; }

systemctl unmask firewalld
systemctl enable firewalld
# Red Hat's image has cockpit. Its socket listens only where the definition serves its port.
if [[ " ${declared[*]} " != *" 9090/tcp "* ]] && systemctl cat cockpit.socket >/dev/null 2>&1; then
  systemctl disable --now cockpit.socket
fi

# Named first, while it is still there.
if [[ -e $etc/zones/public.xml ]]; then
  found=$(fw --zone=public --list-all)
  comm -23 <(listed "$found" ports) <(lines "${declared[@]}") |
    sed 's|.*|firewall: closed &: name it in spec.serves if the image serves it|'
  comm -23 <(listed "$found" services) <(lines "${wanted[@]}" cockpit) |
    sed 's|.*|firewall: closed the service &: name its ports in spec.serves if the image serves them|'
  rules "$found" | sed 's|.*|firewall: removed from the zone public: &|'
fi
for file in "$etc"/{zones,policies,services,ipsets}/*.xml*; do
  [[ -e $file ]] || continue
  case $file in
    */zones/public.xml* | */zones/trusted.xml*) ;;
    *) echo "firewall: removed $file: spec.serves is the only way to open a port" ;;
  esac
  rm -f -- "$file"
done
# firewalld reads the same kinds of files there, for packages.
while IFS= read -r file; do
  rpm --query --file -- "$file" >/dev/null 2>&1 && continue
  echo "firewall: removed $file: no package has brought it"
  rm -f -- "$file"
done < <(comm -13 <(rpm --query --list "${packages[@]}" | LC_ALL=C sort) <(find "$lib" ! -type d | LC_ALL=C sort))
if grep --quiet '^FirewallBackend=' "$etc/firewalld.conf" && ! grep --quiet '^FirewallBackend=nftables$' "$etc/firewalld.conf"; then
  # With iptables a rule of direct.xml decides before the zones do.
  echo "firewall: set FirewallBackend=nftables in $etc/firewalld.conf"
  sed -i 's/^FirewallBackend=.*/FirewallBackend=nftables/' "$etc/firewalld.conf"
fi

[[ $(fw --get-default-zone) == public ]] || fw --set-default-zone=public
closed=()
for service in $(listed "$(fw --zone=public --list-all)" services); do
  [[ " ${wanted[*]} " == *" $service "* ]] || closed+=("--remove-service=$service")
done
((${#closed[@]} == 0)) || fw --zone=public "${closed[@]}"
((${#declared[@]} == 0)) || fw --zone=public "${declared[@]/#/--add-port=}"
fw --zone=public --remove-forward
fw --zone=trusted --add-interface=lo
fw --zone=trusted \
  --add-rich-rule='rule family="ipv4" source address="127.0.0.1" destination not address="127.0.0.1" drop' \
  --add-rich-rule='rule family="ipv6" source address="::1" destination not address="::1" drop'
fw --check-config
rm -f -- "$etc"/*.old "$etc"/zones/*.old # what the tool had before
if firewall-cmd --state >/dev/null 2>&1; then
  firewall-cmd --reload
fi

# The check: the firewall starts with the machine, and lets in what is declared and nothing else.
[[ $(systemctl is-enabled firewalld) == enabled ]]
public=$(fw --zone=public --list-all) trusted=$(fw --zone=trusted --list-all)
diff <(listed "$public" services) <(lines "${wanted[@]}")
diff <(listed "$public" ports) <(lines "${declared[@]}")
[[ -z $(rules "$public") && $(rules "$trusted" | wc --lines) == 2 ]]
[[ $(listed "$trusted" interfaces) == lo ]]
# rpm says the same of files that are as they were and of a package that it does not know: nothing.
rpm --query "${packages[@]}" || { echo "firewall: the list of packages lacks one of firewalld's: a step has removed it" >&2; exit 1; }
# Of other files only their own settings differ.
changed=$(rpm --verify --nomtime "${packages[@]}" | grep --fixed-strings " $lib/" || :)
if [[ -n $changed ]]; then
  echo "firewall: a step has changed files of firewalld; put them back (dnf reinstall firewalld):" >&2
  printf '%s\n' "$changed" >&2
  exit 1
fi
for own in ssh=22/tcp dhcpv6-client=546/udp; do
  holds "${own%%=*}" "${own#*=}" && continue
  echo "firewall: the service ${own%%=*} lets in more or less than ${own#*=}: a step has changed it" >&2
  exit 1
done
echo "firewall: lets in SSH and ${declared[*]:-no other port}"
