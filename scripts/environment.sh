# Sourced by the other scripts: makes .venv once, installs the project with the extras given as $1, in the versions that the
# suite has passed with (requirements/tested.txt). PDTRAIN_VERSIONS=newest takes the newest that pyproject.toml allows;
# PDTRAIN_TORCH="torch==... torchvision==..." other builds of those two.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
extras="${1:-}"
versions="${PDTRAIN_VERSIONS:-tested}"
stamp=".venv/.installed-$(cat pyproject.toml requirements/tested.txt <(echo "$versions ${PDTRAIN_TORCH:-}") | cksum | cut -d' ' -f1)"

# install LOCK: what of it is wanted, in its versions
install_locked() {
    .venv/bin/python -m pip install --quiet --constraint "$1" ${PDTRAIN_TORCH:-} -e ".${extras}" && return
    echo "scripts/environment.sh: the versions of requirements/tested.txt cannot be installed here (pip says why, above)." >&2
    echo "PDTRAIN_VERSIONS=newest takes the newest that pyproject.toml allows." >&2
    exit 1
}

if ! compgen -G "$stamp*" >/dev/null || { [ -n "$extras" ] && [ ! -f "$stamp$extras" ]; }; then
    [ -x .venv/bin/python ] || python3 -m venv .venv
    echo "installing into .venv (a few minutes the first time)"
    case "$versions" in
        tested)
            if [ -n "${PDTRAIN_TORCH:-}" ]; then
                install_locked <(grep -vE '^torch(vision)?==' requirements/tested.txt)
            else
                install_locked requirements/tested.txt
            fi
            ;;
        newest) .venv/bin/python -m pip install --quiet --upgrade ${PDTRAIN_TORCH:-} -e ".${extras}" ;;
        *) echo "PDTRAIN_VERSIONS=$versions: choose tested or newest" >&2; exit 1 ;;
    esac
    touch "$stamp$extras"
fi
