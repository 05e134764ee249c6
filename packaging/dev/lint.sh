#!/usr/bin/env bash
# lint.sh ENVIRONMENT: ruff's rules and layout, the direction of imports, ESLint on every script for a browser, shellcheck on every shell script.
set -euo pipefail
cd "$(dirname "$0")/../.."

"$1/bin/ruff" check .
"$1/bin/ruff" format --check .
"$1/bin/lint-imports"
packaging/dev/eslint.sh

# Files of the checkout, tracked or new, whose name or first line says shell. As root of a user's checkout git wants to be told.
mapfile -d '' files < <(git -c safe.directory='*' ls-files -z --cached --others --exclude-standard)
scripts=()
for file in "${files[@]}"; do
	[ -f "$file" ] || continue
	first=
	IFS= read -r first <"$file" 2>/dev/null || true
	if [[ $file == *.sh || $first =~ ^'#!'.*[/\ ](sh|bash|dash|ash)( |$) ]]; then scripts+=("$file"); fi
done
shellcheck -x "${scripts[@]}"
echo "shellcheck: ${#scripts[@]} scripts are clean"
