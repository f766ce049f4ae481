#!/usr/bin/env bash
# Puts the page on a Hugging Face Space: bash deploy_hf.sh user/space (--help says what else).
set -euo pipefail
cd "$(dirname "$0")"

python=.venv/bin/python
[[ -x $python ]] || python=python3
"$python" -c 'import huggingface_hub' 2>/dev/null || {
  echo "error: what the page needs is not installed: run 'make demo', or 'pip install -r requirements.txt'" >&2
  exit 1
}
exec "$python" -m hetmoe.demo.deploy "$@"
