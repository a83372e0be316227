#!/usr/bin/env bash
# Installs Telegauge from this folder, without a package: sudo ./install.sh device|collector [--remove]
#
# It does what the packages do, with any Python from 3.11 on: an environment in /opt/telegauge, the programs in
# /usr/local/bin, the YAML in /etc/telegauge (one that is there stays), users, units; then it starts them.
# Run again it upgrades. --remove leaves the YAML and what was measured.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
units=/etc/systemd/system

main() {
    local remove=no
    [ "${2-}" != --remove ] || remove=yes
    case "${1-} ${2-}" in
        'device ' | 'device --remove') part=device extras=udp,mdns,serial system=(--system-site-packages) ;;
        'collector ' | 'collector --remove') part=collector extras=collector,notify system=() ;;
        *) fail 'usage: sudo ./install.sh device|collector [--remove]' ;;
    esac
    name=telegauge-$part home=/opt/telegauge/$part
    [ "$(id -u)" -eq 0 ] || fail "this changes the system: sudo ./install.sh $*"
    ! dpkg-query --show --showformat='${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed ||
        fail "the package $name is installed here: sudo apt remove $name, then this again"
    if [ "$remove" = yes ]; then remove_all; else install_all; fi
}

install_all() {
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "Python 3.11 or newer is needed; python3 is $(python3 -V 2>/dev/null || echo missing)"
    python3 -c 'import ensurepip' 2>/dev/null || fail "Python's venv is missing: sudo apt install python3-venv"
    mkdir -p -- /opt/telegauge /etc/telegauge
    # Beside the former one, which goes on until the new one is complete. No PYTHONPATH of root's may reach in.
    unset PYTHONPATH PYTHONHOME
    rm -rf -- "$home.new"
    python3 -m venv "${system[@]}" "$home.new"
    copy=$(mktemp -d) # pip builds in the folder that it is given
    trap 'rm -rf -- "$copy"' EXIT
    cp -R -- "$here"/{device,wire,collector,config,service,setup.cfg,pyproject.toml,README.md,LICENSE} "$copy"
    "$home.new/bin/python3" -m pip install --quiet --disable-pip-version-check \
        --constraint "$here/debian/constraints.txt" "$copy[$extras]"
    sed -i "s#$home.new#$home#g" "$home.new"/bin/* "$home.new/pyvenv.cfg" # where it will be
    for each in "$part.yaml" "$part.schema.json"; do
        [ "$each" = "$part.yaml" ] && [ -e "/etc/telegauge/$each" ] || install -m 644 -- "$here/config/$each" /etc/telegauge/
    done
    install -D -m 644 -- "$here/systemd/$name.sysusers.conf" "/etc/sysusers.d/$name.conf"
    systemd-sysusers "$name.conf"
    for each in $(unit_names); do install -m 644 -- "$here/systemd/$each" "$units/"; done
    [ "$part" = collector ] || join_groups
    rm -rf -- "$home.old"
    [ ! -e "$home" ] || mv -- "$home" "$home.old"
    mv -- "$home.new" "$home"
    ln -sf -- "$home/bin/$name" "/usr/local/bin/$name"
    systemctl daemon-reload
    # shellcheck disable=SC2046 # words
    systemctl --quiet enable $(unit_names)
    systemctl restart "$name" || fail "$name does not start: systemctl status $name says why"
    rm -rf -- "$home.old"
    echo "$name $("$home/bin/$name" --version | cut -d ' ' -f 2) runs. Its YAML: /etc/telegauge/$part.yaml"
}

remove_all() {
    # shellcheck disable=SC2046 # words
    systemctl --quiet disable --now $(unit_names) 2>/dev/null || true
    for each in $(unit_names); do rm -f -- "$units/$each"; done
    systemctl daemon-reload
    rm -rf -- "$home" "$home.new" "$home.old" "/run/$name"
    rm -f -- "/usr/local/bin/$name" "/etc/sysusers.d/$name.conf" "/etc/telegauge/$part.schema.json"
    ! cmp --silent -- "$here/config/$part.yaml" "/etc/telegauge/$part.yaml" || rm -- "/etc/telegauge/$part.yaml"
    rmdir --ignore-fail-on-non-empty -- /opt/telegauge /etc/telegauge 2>/dev/null || true
    echo "$name is removed. Kept, as it is yours: /var/lib/$name, and /etc/telegauge where it was edited."
    echo "To remove that too: rm -r /var/lib/$name && userdel $name"
}

unit_names() {
    echo "$name.service"
    [ "$part" = collector ] || echo telegauge-join.service
}

# The agent may use GPIO, I2C, SPI, serial ports and the firmware's mailbox, by the groups that are there.
join_groups() {
    for group in gpio i2c spi dialout video; do
        if getent group "$group" >/dev/null; then usermod --append --groups "$group" "$name"; fi
    done
}

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

main "$@"
