# Sourced by the scripts beside it: makes .venv in the repository and keeps it current.
# shellcheck shell=bash
#
#   need collector,test    the project (editable) with these extras; does nothing when all is there
#   want strace strace     a program, and the Debian package that has it; goes on without it
#
# Afterwards $root is the repository, $venv the environment, and $cache a folder for what is large and made once.

unset CDPATH PYTHONHOME PYTHONPATH
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv
stamp=$venv/telegauge-stamp
cache=${TELEGAUGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/telegauge-tests}

need() {
    exec 9<"$root" # a lock on the folder: two scripts at once make one environment
    if command -v flock >/dev/null; then flock 9; fi
    if ! works "$venv/bin/python" || [ "$(recorded place)" != "$root" ]; then
        make_environment
    fi
    install_extras "$1"
    exec 9<&-
}

works() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

recorded() { sed -n "s/^$1 //p" "$stamp" 2>/dev/null || true; }

make_environment() {
    local python
    python=$(find_python)
    "$python" -c 'import ensurepip' 2>/dev/null || install_venv_module "$python"
    say "making .venv with $("$python" -V)"
    quietly "$python" -m venv --clear "$venv"
    printf 'place %s\n' "$root" >"$stamp"
}

find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11; do
        if works "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed; python3 is $(python3 -V 2>&1 || echo missing)." \
        "Debian 12, Raspberry Pi OS bookworm and newer have it: sudo apt-get install python3 python3-venv"
}

# Debian ships venv's ensurepip as a package of its own.
install_venv_module() {
    local package
    package=python$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv
    if ! command -v apt-get >/dev/null; then
        fail "$1 lacks the modules venv and ensurepip: install them with your package manager"
    fi
    may_install || fail "$1 lacks venv. Run this, then try again:" "sudo apt-get install $package"
    say "installing $package"
    quietly apt_get update -q
    quietly apt_get install -y -q "$package"
}

# What some tests need beside Python; without it they are skipped and say why.
want() {
    if command -v "$1" >/dev/null || ! may_install; then return; fi
    say "installing $2"
    apt_get update -q >/dev/null 2>&1 </dev/null || true
    apt_get install -y -q "$2" >/dev/null 2>&1 </dev/null || say "going on without $2"
}

# Builds the packages of a source for the tests, packed fast, not small: pack SOURCE VERSION ARCH.
pack() {
    TELEGAUGE_PIP=$venv/bin/pip TELEGAUGE_DEB_OPTIONS='-Zgzip -z1' "$1/scripts/package" \
        --into "$cache/packages-$2-$3" "$3" >/dev/null
}

may_install() {
    command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }
}

apt_get() {
    if [ "$(id -u)" -eq 0 ]; then
        DEBIAN_FRONTEND=noninteractive apt-get "$@"
    else
        sudo -n env DEBIAN_FRONTEND=noninteractive apt-get "$@"
    fi
}

install_extras() {
    local have files wanted
    have=$(recorded extras)
    files=$(cat "$root/setup.cfg" "$root/pyproject.toml" | sha256sum | cut -d ' ' -f 1)
    wanted=$(printf '%s' "$have,$1" | tr , '\n' | sed '/^$/d' | sort -u | paste -sd , -)
    if [ "$have" = "$wanted" ] && [ "$(recorded files)" = "$files" ]; then return; fi
    say "installing what is missing ($wanted)"
    # compat: a plain path entry. The default's import hook comes after the path, so that any
    # folder `config` on the path would hide ours.
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0 quietly "$venv/bin/python" -m pip \
        install --config-settings editable_mode=compat --editable "$root[$wanted]"
    printf 'place %s\nfiles %s\nextras %s\n' "$root" "$files" "$wanted" >"$stamp"
}

# Runs a command; shows its output only when it fails.
quietly() {
    local output
    if ! output=$("$@" 2>&1 </dev/null 9<&-); then
        printf '%s\n' "$output" >&2
        fail "failed: $*"
    fi
}

say() { printf '%s\n' "$*" >&2; }

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}
