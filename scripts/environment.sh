# Sourced by the other scripts: makes .venv once, installs the project with the extras given as $1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
extras="${1:-}"
stamp=".venv/.installed-$(cksum < pyproject.toml | cut -d' ' -f1)"
if ! compgen -G "$stamp*" >/dev/null || { [ -n "$extras" ] && [ ! -f "$stamp$extras" ]; }; then
    [ -x .venv/bin/python ] || python3 -m venv .venv
    echo "installing into .venv (a few minutes the first time)"
    # set PDTRAIN_TORCH to install another build of torch and torchvision
    .venv/bin/python -m pip install --quiet ${PDTRAIN_TORCH:-torch==2.14.1 torchvision==0.29.1}
    .venv/bin/python -m pip install --quiet -e ".${extras}"
    touch "$stamp$extras"
fi
