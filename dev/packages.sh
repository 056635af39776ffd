# shellcheck shell=bash
# Sourced by ./check and ./demo: installs Debian packages that are missing, and only those.

# packages_missing FILE...: prints the listed packages that are not installed.
packages_missing() {
	local package
	grep -hv '^#' -- "$@" | while read -r package; do
		if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>&1)" != installed ]; then
			echo "$package"
		fi
	done
}

# packages_install FILE...: as root, or through sudo. Starts no service.
packages_install() {
	local missing as_root=()
	mapfile -t missing < <(packages_missing "$@")
	if [ ${#missing[@]} -eq 0 ]; then
		return 0
	fi
	if [ "$(id -u)" -ne 0 ]; then
		if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
			echo "missing packages: ${missing[*]}" >&2
			echo "install them, or run this as root" >&2
			return 1
		fi
		as_root=(sudo -n)
	fi
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q update &&
		"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
			apt-get -q -y --no-install-recommends install "${missing[@]}"
}
