#!/bin/sh
# Lists everything that this machine lacks, each with the command that installs it; exits with 1 if anything is missing.
# Usage: preflight.sh [PYTHON]   (run at the top of a checkout)

python=${1:-python3}
missing=0

lacks() { # what, command
    [ "$missing" -eq 1 ] || echo "missing on this machine:" >&2
    missing=1
    printf '  - %s\n      %s\n' "$1" "$2" >&2
}

# The install command of the package manager.
id=unknown version=0
if [ -r /etc/os-release ]; then
    id=$(. /etc/os-release && echo "${ID:-unknown} ${ID_LIKE:-}")
    version=$(. /etc/os-release && echo "${VERSION_ID:-0}" | cut -d. -f1)
fi
curl_package=libcurl4
case "$id" in
debian*) [ "$version" -ge 13 ] 2>/dev/null && curl_package=libcurl4t64 ;;
ubuntu*) [ "$version" -ge 24 ] 2>/dev/null && curl_package=libcurl4t64 ;;
esac
case "$id" in
*debian* | *ubuntu*) install="sudo apt-get install -y" python_package="python3" venv_package="python3-venv" ssl_package=libssl3 ;;
*fedora* | *rhel*) install="sudo dnf install -y" python_package="python3.11" venv_package="python3.11" curl_package=libcurl ssl_package=openssl-libs ;;
*) install="install with your package manager:" python_package="python3" venv_package="python3-venv" ssl_package=openssl ;;
esac

usable=no
if ! command -v "$python" >/dev/null 2>&1; then
    lacks "Python 3.11 or newer ($python is not there)" "$install $python_package   (or: make PYTHON=python3.12 …)"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    found=$("$python" -c 'import platform; print(platform.python_version())' 2>/dev/null || echo "does not run")
    lacks "Python 3.11 or newer ($python is $found)" "$install python3.12   then: make PYTHON=python3.12 …"
else
    usable=yes
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        lacks "Python's venv" "$install $venv_package"
fi

if [ "$(uname -s)" = Linux ]; then
    has_library() {
        if [ "$usable" = yes ]; then
            "$python" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$1" 2>/dev/null
        else
            PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | grep -q "$1 "
        fi
    }
    has_library libcurl.so.4 || lacks "libcurl.so.4 (for mongod)" "$install $curl_package"
    { has_library libssl.so.3 && has_library libcrypto.so.3; } ||
        lacks "OpenSSL 3 (for mongod)" "$install $ssl_package"

    case "$(uname -m)" in
    x86_64) grep -qw avx /proc/cpuinfo ||
        lacks "a processor with AVX (for mongod)" "use docker compose with another MongoDB, or another machine" ;;
    aarch64) grep -qw dcpop /proc/cpuinfo ||
        lacks "an arm64 processor from v8.2 (for mongod)" "use docker compose with another MongoDB, or another machine" ;;
    *) lacks "x86-64 or arm64 (this is $(uname -m))" "use docker compose on another machine" ;;
    esac

    glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2)
    case "$glibc" in
    '') lacks "glibc 2.34 or newer (this is another C library)" "use Debian 12, Ubuntu 24.04 or newer, or docker compose" ;;
    2.*) [ "${glibc#2.}" -ge 34 ] 2>/dev/null ||
        lacks "glibc 2.34 or newer (this is $glibc)" "use Debian 12, Ubuntu 24.04 or newer, or docker compose" ;;
    esac

    memory=$(awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo 2>/dev/null)
    [ "${memory:-2048}" -ge 1900 ] || lacks "2 GB of memory (there are $memory MB)" "give this machine more"
fi

wanted=3072 # MB for the first installation
[ -e .venv/installed ] && wanted=1024
free=$(df -Pk . 2>/dev/null | awk 'NR == 2 {print int($4 / 1024)}')
[ "${free:-$wanted}" -ge "$wanted" ] ||
    lacks "$((wanted / 1024)) GB of free disk here (there are $free MB)" "make room in $(pwd)"

exit "$missing"
